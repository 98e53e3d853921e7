#include "tests/fuzz/confinement.h"

#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/concat.h"
#include "base/thread.h"
#include "sandbox/policy/compiler.h"
#include "sandbox/policy/policy.h"

namespace ember::fuzz {
namespace {

// What the target and the process that is asked about its calls share.
struct Shared {
  std::atomic<bool> confined{false};
  std::atomic<int> listener{-1};  // the kernel's questions
};

// Constant once the first filter is on.
Shared* shared = nullptr;

std::vector<sandbox::Rule> RulesOf(const char* path, sandbox::ThreadKind kind) {
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return sandbox::ParsePolicy(text).value()[static_cast<size_t>(kind)].rules;
}

// What the thread may do; of anything else the kernel asks.
std::vector<sock_filter> FilterFor(sandbox::ThreadKind kind) {
  sandbox::ThreadPolicy policy{.at_most = 0, .rules = RulesOf(EMBER_POLICY, kind)};
  for (const sandbox::Rule& rule : RulesOf(EMBER_SANITIZER_POLICY, kind)) {
    policy.rules.push_back(rule);
  }
  constexpr uint16_t kReturn = BPF_RET | BPF_K;
  std::vector<sock_filter> filter = sandbox::ForProcess(static_cast<uint32_t>(::getpid()),
                                                        sandbox::CompileThread(policy).value());
  for (sock_filter& step : filter) {
    if (step.code == kReturn && step.k == SECCOMP_RET_TRAP) step.k = SECCOMP_RET_USER_NOTIF;
  }
  return filter;
}

void Tell(std::string_view text) {
  // Nothing can be done about a stderr that is closed.
  static_cast<void>(!::write(STDERR_FILENO, text.data(), text.size()));
}

// Not one of a process that the fuzzer has started, such as a symbolizer, which has the filter too.
bool IsThreadOf(pid_t target, pid_t thread) {
  return ::access(Concat("/proc/", target, "/task/", thread).c_str(), F_OK) == 0;
}

void Answer(int listener, pid_t target) {
  seccomp_notif question{};
  if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &question) < 0) return;  // it was interrupted
  seccomp_notif_resp answer{};
  answer.id = question.id;
  const bool asks = IsThreadOf(target, static_cast<pid_t>(question.pid));
  // The first one is the finding; what follows is its report.
  if (asks && shared->confined.exchange(false)) {
    Tell(Concat("\nthe target made system call ", question.data.nr,
                ", which the thread of ember-vmm may not whose work it does\n"));
    ::syscall(SYS_tgkill, target, question.pid, SIGABRT);
    answer.error = -EPERM;
  } else {
    answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  }
  ::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

[[noreturn]] void AnswerAll(pid_t target) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  int listener = -1;
  while ((listener = shared->listener.load()) < 0 && ::getppid() == target) ::sched_yield();
  while (::getppid() == target) Answer(listener, target);
  for (;;) ::syscall(SYS_exit_group, 0);
}

// A process, not a thread: the leak checker stops those. It has the same descriptors.
void StartAnswering() {
  const pid_t target = ::getpid();
  clone_args how{};
  how.flags = CLONE_FILES;
  how.exit_signal = SIGCHLD;
  const long child = ::syscall(SYS_clone3, &how, sizeof(how));
  EMBER_CHECK(child >= 0);
  if (child == 0) AnswerAll(target);
}

void PutOnFilter(sandbox::ThreadKind kind) {
  void* const at =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  EMBER_CHECK(at != MAP_FAILED);
  shared = new (at) Shared;
  std::vector<sock_filter> filter = FilterFor(kind);
  CurrentThreadName();  // as sandbox::Confine() does
  // The C library has more to ask for the first thread than for others.
  std::thread([] {}).join();
  StartAnswering();
  const sock_fprog program{.len = static_cast<unsigned short>(filter.size()),
                           .filter = filter.data()};
  EMBER_CHECK(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  const long listener =
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  EMBER_CHECK(listener >= 0);
  shared->listener.store(static_cast<int>(listener));
}

}  // namespace

Confinement::Confinement(sandbox::ThreadKind kind) {
  if (shared == nullptr) PutOnFilter(kind);
  shared->confined.store(true);
}

Confinement::~Confinement() { shared->confined.store(false); }

Pause::Pause() : was_confined_(shared != nullptr && shared->confined.exchange(false)) {}

Pause::~Pause() {
  if (was_confined_) shared->confined.store(true);
}

// The sanitizers call these before they report: what a report asks for is theirs.
extern "C" void __asan_on_error() {  // NOLINT(bugprone-reserved-identifier): the name is theirs
  if (shared != nullptr) shared->confined.store(false);
}
extern "C" void __ubsan_on_report() {  // NOLINT(bugprone-reserved-identifier)
  if (shared != nullptr) shared->confined.store(false);
}

}  // namespace ember::fuzz
