#include "base/fatal_signals.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>

#include "base/concat.h"
#include "base/log.h"
#include "base/sanitizer.h"

namespace ember {
namespace {

constexpr size_t kMaxSignals = 16;
// What the kernel saves of the widest vector registers, and a handler of ours on top.
constexpr size_t kSignalStackBytes = 32768;

struct Slot {
  std::atomic<FatalCleanup::Function> function{nullptr};
  std::atomic<void*> argument{nullptr};
};

// The cleanups, and the thread that runs them. One pairing for all: a cleanup is taken out of its
// slot before its owner looks whether the process is ending, and the handler says that it is before
// it looks into the slots; sequentially consistent, so one of them sees the other.
constinit std::array<Slot, FatalCleanup::kMaxCleanups> slots;
constinit std::atomic<pid_t> ending_thread{0};

// What another thread began and main's thread is to finish. The numbers are stored before the flag
// (release), which main's handler takes (acquire).
struct HandedOver {
  std::atomic<bool> flag{false};
  std::atomic<int> number{0};
  std::atomic<int> exit_code{0};
};
constinit HandedOver handed_over;

// Constant once HandleFatalSignals() has returned.
constinit std::span<const FatalSignal> handled;
constinit std::array<Counter, kMaxSignals + 1> counts;  // the last is of none of them
constinit Counter aborts;

// A function of its own for a slot that is taken but not yet filled.
void DoNothing(void* /*argument*/) {}

size_t IndexOf(int number) {
  size_t index = 0;
  while (index < handled.size() && handled[index].number != number) ++index;
  return index;
}

// Not _exit(), which is the sanitizer's own under ThreadSanitizer and waits for locks that what the
// signal interrupted may hold.
[[noreturn]] void EndProcess(int exit_code) {
  for (;;) ::syscall(SYS_exit_group, exit_code);
}

// Another thread ends the process at any moment.
[[noreturn]] void WaitForTheEnd() {
  for (;;) ::poll(nullptr, 0, -1);
}

bool IsMainThread() { return ::gettid() == ::getpid(); }

// Decimal, without memory or locks.
class Digits {
 public:
  explicit Digits(int64_t value) {
    end_ = std::to_chars(digits_.data(), digits_.data() + digits_.size(), value).ptr;
  }
  std::string_view text() const { return {digits_.data(), end_}; }

 private:
  std::array<char, 24> digits_;
  char* end_;
};

void LogEnd(const FatalSignal& signal, const siginfo_t& info) {
  const Digits code(signal.exit_code);
  if (signal.number == SIGSYS) {
    return LogInSignalHandler({"Shutting down VM after intercepting a bad syscall (",
                               Digits(info.si_syscall).text(), "); exit code ", code.text()});
  }
  LogInSignalHandler({"Shutting down VM after intercepting signal ", Digits(signal.number).text(),
                      " (", signal.name, "), code ", Digits(info.si_code).text(), "; exit code ",
                      code.text()});
}

void RunCleanups() {
  for (Slot& slot : slots) {
    const FatalCleanup::Function function = slot.function.exchange(nullptr);
    if (function != nullptr) function(slot.argument.load());
  }
}

// True for the first fatal signal of the process, on its thread; does not return on others, nor for
// a signal that comes while the thread handles the first.
bool BeginEnd(int exit_code) {
  pid_t nobody = 0;
  if (ending_thread.compare_exchange_strong(nobody, ::gettid())) return true;
  if (nobody == ::gettid()) EndProcess(exit_code);
  WaitForTheEnd();
}

// Removes, restores and writes what is left to do, and ends the process as the signal does.
[[noreturn]] void FinishHere(int number, int exit_code) {
  RunCleanups();
  if (number == SIGABRT) {
    ::signal(SIGABRT, SIG_DFL);
    sigset_t abort_alone;
    ::sigemptyset(&abort_alone);
    ::sigaddset(&abort_alone, SIGABRT);
    ::pthread_sigmask(SIG_UNBLOCK, &abort_alone, nullptr);
    ::raise(SIGABRT);  // not enough in the first process of a PID namespace
  }
  EndProcess(exit_code);
}

// On main's thread: the filters of the others do not let them touch files. ThreadSanitizer might
// hold the signal back.
[[noreturn]] void Finish(int number, int exit_code) {
  if (kThreadSanitized || IsMainThread()) FinishHere(number, exit_code);
  handed_over.number.store(number, std::memory_order_relaxed);
  handed_over.exit_code.store(exit_code, std::memory_order_relaxed);
  handed_over.flag.store(true, std::memory_order_release);
  const pid_t main_thread = ::getpid();
  if (::syscall(SYS_tgkill, main_thread, main_thread, number) < 0) EndProcess(exit_code);
  WaitForTheEnd();
}

void FinishWhatWasHandedOver() {
  if (kThreadSanitized || !IsMainThread()) return;
  if (!handed_over.flag.exchange(false, std::memory_order_acquire)) return;
  ending_thread.store(::gettid());  // a fault in a cleanup is this thread's
  FinishHere(handed_over.number.load(std::memory_order_relaxed),
             handed_over.exit_code.load(std::memory_order_relaxed));
}

// For a write of ours to a pipe without a reader, the kernel says that we sent the signal.
bool IsOwnBrokenPipe(const siginfo_t& info) {
  return info.si_signo == SIGPIPE && info.si_code <= 0 && info.si_pid == ::getpid();
}

void OnFatalSignal(int number, siginfo_t* info, void* /*context*/) {
  FinishWhatWasHandedOver();
  const int saved_errno = errno;
  const size_t index = IndexOf(number);
  if (index == handled.size()) return;
  counts[index].Add();
  if (IsOwnBrokenPipe(*info)) {
    errno = saved_errno;
    return;
  }
  const FatalSignal& signal = handled[index];
  BeginEnd(signal.exit_code);
  LogEnd(signal, *info);
  Finish(number, signal.exit_code);
}

// Others may send the signal too: after it only abort() would end the process by itself.
void OnAbort(int /*number*/, siginfo_t* /*info*/, void* /*context*/) {
  constexpr int kAbortExit = 128 + SIGABRT;
  FinishWhatWasHandedOver();
  aborts.Add();
  BeginEnd(kAbortExit);
  Finish(SIGABRT, kAbortExit);
}

using Handler = void (*)(int, siginfo_t*, void*);

Status Handle(int number, Handler handler) {
  struct sigaction action {};
  action.sa_sigaction = handler;
  // Not masked while it runs: a second fault of its own must end the process, not hang it.
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  if (::sigaction(number, &action, nullptr) < 0) {
    return Error::FromErrno(Concat("handle signal ", number));
  }
  return {};
}

}  // namespace

Counter& fatal_signal_count(int number) {
  return number == SIGABRT ? aborts : counts[IndexOf(number)];
}

Status HandleFatalSignals(std::span<const FatalSignal> signals) {
  if (signals.size() > kMaxSignals) {
    return Error(Concat(signals.size(), " fatal signals exceed the limit ", kMaxSignals));
  }
  handled = signals;
  for (const FatalSignal& signal : signals) {
    const bool sanitizers = signal.number == SIGSEGV || signal.number == SIGBUS;
    if (kSanitized && sanitizers) continue;
    TRY(Handle(signal.number, OnFatalSignal));
  }
  return Handle(SIGABRT, OnAbort);
}

FatalCleanup::FatalCleanup(Function function, void* argument) : slot_(0) {
  for (; slot_ < slots.size(); ++slot_) {
    Function none = nullptr;
    if (slots[slot_].function.compare_exchange_strong(none, DoNothing)) break;
  }
  if (slot_ == slots.size()) return;
  slots[slot_].argument.store(argument);
  slots[slot_].function.store(function);
}

FatalCleanup::~FatalCleanup() {
  if (slot_ == slots.size()) return;
  slots[slot_].function.store(nullptr);
  // The handler may be in our function now, or is yet to take it.
  if (ending_thread.load() != 0) WaitForTheEnd();
}

struct PathRemovedOnSignal::Entry {
  explicit Entry(std::string text) : path(std::move(text)), found(::lstat(path.c_str(), &ours)) {}
  static void Remove(void* argument) {
    const Entry& entry = *static_cast<Entry*>(argument);
    struct stat now {};
    if (entry.found < 0 || ::lstat(entry.path.c_str(), &now) < 0) return;
    if (now.st_dev == entry.ours.st_dev && now.st_ino == entry.ours.st_ino) {
      ::unlink(entry.path.c_str());
    }
  }

  const std::string path;
  struct stat ours {};
  const int found;
  const FatalCleanup cleanup{Remove, this};
};

PathRemovedOnSignal::PathRemovedOnSignal(std::string path)
    : entry_(std::make_unique<Entry>(std::move(path))) {}
PathRemovedOnSignal::~PathRemovedOnSignal() = default;
PathRemovedOnSignal::PathRemovedOnSignal(PathRemovedOnSignal&& other) noexcept = default;
PathRemovedOnSignal& PathRemovedOnSignal::operator=(PathRemovedOnSignal&& other) noexcept = default;

SignalStack::SignalStack() {
  // A sanitizer brings one of its own.
  if (kSanitized) return;
  void* const memory = ::mmap(nullptr, kSignalStackBytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return;
  const stack_t stack{.ss_sp = memory, .ss_flags = 0, .ss_size = kSignalStackBytes};
  if (::sigaltstack(&stack, nullptr) < 0) {
    ::munmap(memory, kSignalStackBytes);
    return;
  }
  memory_ = memory;
}

SignalStack::~SignalStack() {
  if (memory_ == nullptr) return;
  const stack_t none{.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
  ::sigaltstack(&none, nullptr);
  ::munmap(memory_, kSignalStackBytes);
}

}  // namespace ember
