#include "jailer/child.h"

#include <linux/sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <span>
#include <string>

#include "jailer/read_text.h"

namespace ember::jailer {

Result<Child> Child::Start(PidNamespace pid_namespace) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
    return Error::FromErrno("socketpair");
  }
  Fd parents(ends[0]);
  Fd childs(ends[1]);
  clone_args how{};
  how.flags = pid_namespace == PidNamespace::kNew ? CLONE_NEWPID : 0;
  how.exit_signal = SIGCHLD;
  const auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &how, sizeof(how)));
  if (pid < 0) return Error::FromErrno("clone3");
  if (pid > 0) return Child(pid, std::move(parents));
  parents.Reset();
  std::byte go{};
  ssize_t got = 0;
  do {
    got = ::read(childs.get(), &go, 1);
  } while (got < 0 && errno == EINTR);
  if (got != 1) ::_exit(1);
  return Child(0, std::move(childs));
}

void Child::EndWith(const Status& failed) const {
  const std::string text = failed ? "it ended" : failed.error().message();
  (void)WriteAll(channel_, std::as_bytes(std::span(text)));
  ::_exit(1);
}

Status Child::LetGo() {
  const std::array<std::byte, 1> go{};
  TRY_CONTEXT(WriteAll(channel_, go), "the process in the jail");
  const std::string failed = TRY(ReadText(channel_, "the jail"));
  if (!failed.empty()) return Error(failed);
  return {};
}

}  // namespace ember::jailer
