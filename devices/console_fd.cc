#include "devices/console_fd.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdint>
#include <optional>

#include "base/concat.h"

namespace ember {
namespace {

constexpr int kOpenFlags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

// Reading a console never writes to it, and its output side is never read.
int AccessFlags(Access access) { return access == Access::kReadOnly ? O_RDONLY : O_WRONLY; }

}  // namespace

Result<Fd> OpenConsoleOutput(const std::string& path) {
  if (const std::optional<int> number = InheritedNumber(path)) {
    const Fd checked = TRY(CreateFile(path));  // that it is there, inherited and writable
    return DuplicateConsoleFd(*number, Access::kReadWrite);
  }
  constexpr mode_t kOwnerOnly = 0600;
  // Reading as well as writing: opening a FIFO without a reader for writing alone fails on Linux.
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | kOpenFlags, kOwnerOnly));
  if (!fd.valid()) return Error::FromErrno("open for console output", path);
  return fd;
}

Result<Fd> DuplicateConsoleFd(int fd, Access access) {
  struct stat status {};
  if (::fstat(fd, &status) < 0) return Error::FromErrno(Concat("console descriptor ", fd));
  // Opened again through /proc it has flags of its own. Not a file, whose position it must share.
  if (S_ISCHR(status.st_mode) || S_ISFIFO(status.st_mode)) {
    const std::string path = Concat("/proc/self/fd/", fd);
    Fd reopened(::open(path.c_str(), AccessFlags(access) | kOpenFlags));
    if (reopened.valid()) return reopened;
  }
  Fd duplicate(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!duplicate.valid()) return Error::FromErrno(Concat("duplicate console descriptor ", fd));
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
    return Error::FromErrno(Concat("make console descriptor ", fd, " non-blocking"));
  }
  return duplicate;
}

}  // namespace ember
