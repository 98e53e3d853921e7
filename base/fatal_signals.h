#ifndef EMBER_BASE_FATAL_SIGNALS_H_
#define EMBER_BASE_FATAL_SIGNALS_H_

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/counter.h"
#include "base/result.h"

// Ending the process in order when a signal ends it: a last line in the log, files removed, the
// terminal put back, and an exit code that says which signal it was.
namespace ember {

// A signal that ends the process, with what it exits with.
struct FatalSignal {
  int number = 0;
  std::string_view name;  // "SIGBUS"
  int exit_code = 0;
};

// How often the signal has come, which is one of those given to HandleFatalSignals(), or SIGABRT. A
// process that a signal ends has counted it before its cleanups run. A program that takes a signal
// in another way, as by a signalfd, counts it itself. Any thread.
Counter& fatal_signal_count(int number);

// Handles these from now on, in all threads: the handler counts, writes a line to the log, runs the
// cleanups and ends the process at once; on other threads than main's, it leaves the last two to
// that. SIGPIPE ends it only where another process sent it; our own is counted, its write fails
// with EPIPE. SIGABRT is cleaned up after and ends the process as ever. A fault within the handler
// ends the process with that fault's code. SIGSEGV and SIGBUS are left to a sanitizer that is built
// in. Once, from main, before the first thread; `signals` lives as long as the process.
Status HandleFatalSignals(std::span<const FatalSignal> signals);

// While it lives, `function(argument)` is called once if a fatal signal ends the process, on main's
// thread (ThreadSanitizer: the signal's), whatever any thread was about. The function may do
// only what is safe in a signal handler. Any thread; at most kMaxCleanups at a time, of which more
// are not called.
class FatalCleanup {
 public:
  static constexpr size_t kMaxCleanups = 64;
  using Function = void (*)(void* argument);

  FatalCleanup(Function function, void* argument);
  // Where a signal is just ending the process, does not return.
  ~FatalCleanup();
  FatalCleanup(const FatalCleanup&) = delete;
  FatalCleanup& operator=(const FatalCleanup&) = delete;

 private:
  size_t slot_;
};

// What is at the path now is removed if a fatal signal ends the process while this lives, unless
// something else has come to be there. In order, its owner removes it. Move-only.
class PathRemovedOnSignal {
 public:
  explicit PathRemovedOnSignal(std::string path);
  ~PathRemovedOnSignal();
  PathRemovedOnSignal(PathRemovedOnSignal&& other) noexcept;
  PathRemovedOnSignal& operator=(PathRemovedOnSignal&& other) noexcept;

 private:
  struct Entry;
  std::unique_ptr<Entry> entry_;
};

// A stack of its own for the handlers of the calling thread, so that one that has overflowed its
// stack can still say so. Costs address space, and memory only when used. Destroyed on the same
// thread.
class SignalStack {
 public:
  SignalStack();
  ~SignalStack();
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;

 private:
  void* memory_ = nullptr;
};

}  // namespace ember

#endif  // EMBER_BASE_FATAL_SIGNALS_H_
