#ifndef EMBER_BASE_RETRY_INTERRUPTED_H_
#define EMBER_BASE_RETRY_INTERRUPTED_H_

#include <cerrno>

namespace ember {

// What `call`, a system call that tells of a failure by -1 and errno, returns when no signal has
// come in between (EINTR). A signal must not be what it waits for. Any thread.
//
//   if (RetryInterrupted([&] { return ::fdatasync(fd.get()); }) < 0) return Error::FromErrno(…);
template <typename Call>
auto RetryInterrupted(const Call& call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

}  // namespace ember

#endif  // EMBER_BASE_RETRY_INTERRUPTED_H_
