#ifndef EMBER_TESTS_BASE_OPEN_DESCRIPTORS_H_
#define EMBER_TESTS_BASE_OPEN_DESCRIPTORS_H_

#include <cstddef>
#include <filesystem>
#include <iterator>

namespace ember {

// How many descriptors this process has, one for the look itself among them.
inline size_t OpenDescriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

}  // namespace ember

#endif  // EMBER_TESTS_BASE_OPEN_DESCRIPTORS_H_
