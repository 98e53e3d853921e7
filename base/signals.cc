#include "base/signals.h"

#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/concat.h"

namespace ember {

Result<Fd> BlockSignalsAndOpenSignalFd(std::initializer_list<int> signal_numbers) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : signal_numbers) {
    if (::sigaddset(&set, number) < 0) return Error::FromErrno(Concat("signal ", number));
  }
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    return Error::FromErrorNumber("pthread_sigmask", error);
  }
  const int fd = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) return Error::FromErrno("signalfd");
  return Fd(fd);
}

std::optional<int> TakeSignal(const Fd& signal_fd) {
  signalfd_siginfo info{};
  ssize_t count = 0;
  do {
    count = ::read(signal_fd.get(), &info, sizeof(info));
  } while (count < 0 && errno == EINTR);
  if (count != static_cast<ssize_t>(sizeof(info))) return std::nullopt;
  return static_cast<int>(info.ssi_signo);
}

}  // namespace ember
