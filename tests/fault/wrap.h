#ifndef EMBER_TESTS_FAULT_WRAP_H_
#define EMBER_TESTS_FAULT_WRAP_H_

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <type_traits>

#include "tests/fault/injector.h"

// The seam: the linker (--wrap) has every call of ours that asks something of the kernel come to
// __wrap_<name> in place of the C library. CMakeLists.txt lists the names; fault_sites.py fails
// where the program has one that is neither there nor known to have nothing to fail.

namespace ember::fault {

template <typename Returned>
Returned Failed(int error) {
  errno = error;
  if constexpr (std::is_pointer_v<Returned>) {
    return MAP_FAILED;
  } else {
    return -1;
  }
}

// As much as a call that is cut short moves.
inline size_t Half(size_t size) { return size > 1 ? size / 2 : size; }

}  // namespace ember::fault

// A macro, for the frame has to be that of the function which was called, and its name is the
// linker's. `detail` is what tells calls from one place apart.
#define EMBER_WRAP(returned, name, detail, parameters, arguments)                        \
  extern "C" returned __real_##name parameters;                                          \
  extern "C" returned __wrap_##name parameters;                                          \
  returned __wrap_##name parameters {                                                    \
    const auto verdict = ember::fault::Judge(__builtin_frame_address(0), #name, detail); \
    if (verdict.made) static_cast<void>(__real_##name arguments);                        \
    if (verdict.error != 0) return ember::fault::Failed<returned>(verdict.error);        \
    return __real_##name arguments;                                                      \
  }

// The same where `size` bytes are moved, or fewer.
#define EMBER_WRAP_BYTES(name, size, parameters, arguments)                         \
  extern "C" ssize_t __real_##name parameters;                                      \
  extern "C" ssize_t __wrap_##name parameters;                                      \
  ssize_t __wrap_##name parameters {                                                \
    const auto verdict = ember::fault::Judge(__builtin_frame_address(0), #name, 0); \
    if (verdict.made) static_cast<void>(__real_##name arguments < 0);               \
    if (verdict.error != 0) return ember::fault::Failed<ssize_t>(verdict.error);    \
    if (verdict.none_left) return 0;                                                \
    if (verdict.cut_short) (size) = ember::fault::Half(size);                       \
    return __real_##name arguments;                                                 \
  }

// The same where they are in several places: of which the first alone, and half of that, is used.
#define EMBER_WRAP_PLACES(name, parameters, arguments, places, count)                             \
  extern "C" ssize_t __real_##name parameters;                                                    \
  extern "C" ssize_t __wrap_##name parameters;                                                    \
  ssize_t __wrap_##name parameters {                                                              \
    const auto verdict = ember::fault::Judge(__builtin_frame_address(0), #name, 0);               \
    if (verdict.error != 0) return ember::fault::Failed<ssize_t>(verdict.error);                  \
    if (verdict.none_left) return 0;                                                              \
    iovec first{};                                                                                \
    if (verdict.cut_short && (count) > 0) {                                                       \
      first = {.iov_base = (places)->iov_base, .iov_len = ember::fault::Half((places)->iov_len)}; \
      (places) = &first;                                                                          \
      (count) = 1;                                                                                \
    }                                                                                             \
    return __real_##name arguments;                                                               \
  }

#endif  // EMBER_TESTS_FAULT_WRAP_H_
