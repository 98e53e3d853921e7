#include "cmd/ember-vmm/inherited_socket.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "base/concat.h"

namespace ember {
namespace {

constexpr int kFirstListenFd = 3;  // sd_listen_fds(3): SD_LISTEN_FDS_START

std::string TakeVariable(const char* name) {
  const char* const value = std::getenv(name);
  std::string taken = value == nullptr ? "" : value;
  ::unsetenv(name);
  return taken;
}

}  // namespace

Result<Fd> TakeInherited(int number) {
  if (::fcntl(number, F_SETFD, FD_CLOEXEC) < 0) {
    return Error::FromErrno(Concat("inherited descriptor ", number));
  }
  return Fd(number);
}

Result<std::optional<Fd>> TakeListenFd() {
  const std::string process = TakeVariable("LISTEN_PID");
  const std::string count = TakeVariable("LISTEN_FDS");
  TakeVariable("LISTEN_FDNAMES");
  if (count.empty() || process != Concat(::getpid())) return std::optional<Fd>();
  if (count != "1") return Error(Concat("LISTEN_FDS is ", count, "; one socket can be served"));
  return std::optional<Fd>(TRY(TakeInherited(kFirstListenFd)));
}

}  // namespace ember
