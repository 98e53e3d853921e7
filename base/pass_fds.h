#ifndef EMBER_BASE_PASS_FDS_H_
#define EMBER_BASE_PASS_FDS_H_

#include <sys/types.h>

#include <cstddef>
#include <span>

#include "base/fd.h"

namespace ember {

inline constexpr size_t kMaxPassedFds = 8;

// Sends bytes, one at least, through a Unix socket, and with the first of them duplicates of the
// descriptors, kMaxPassedFds at most. Never waits. Returns what sendmsg(2) does, and sets errno so:
// how many bytes the socket took, or -1.
ssize_t SendWithFds(const Fd& socket, std::span<const std::byte> bytes, std::span<const int> fds);

}  // namespace ember

#endif  // EMBER_BASE_PASS_FDS_H_
