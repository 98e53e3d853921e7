#ifndef EMBER_MMDS_RANDOM_H_
#define EMBER_MMDS_RANDOM_H_

#include <cstddef>
#include <span>

namespace ember::mmds {

// Fills bytes so that nobody can guess them; a test may say how.
using FillRandom = void (*)(std::span<std::byte> out);
// The kernel's. Any thread.
void FillFromKernel(std::span<std::byte> out);

}  // namespace ember::mmds

#endif  // EMBER_MMDS_RANDOM_H_
