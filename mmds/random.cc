#include "mmds/random.h"

#include <sys/random.h>

#include <cerrno>

#include "base/check.h"

namespace ember::mmds {

void FillFromKernel(std::span<std::byte> out) {
  while (!out.empty()) {
    const ssize_t count = ::getrandom(out.data(), out.size(), 0);
    // Nothing else can fail for memory of our own (getrandom(2)).
    EMBER_CHECK(count >= 0 || errno == EINTR);
    if (count > 0) out = out.subspan(static_cast<size_t>(count));
  }
}

}  // namespace ember::mmds
