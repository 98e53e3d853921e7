#include "base/thread.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <utility>

#include "base/concat.h"
#include "base/fatal_signals.h"
#include "base/log.h"

namespace ember {
namespace {

// The kernel's copy, kept here so that a log line costs no system call for it. Empty: not yet
// known.
thread_local char current_name[kMaxThreadNameBytes + 1] = {};

struct StartArguments {
  std::string name;
  std::function<void()> body;
};

[[noreturn]] void DieOfException(std::string_view what) {
  EMBER_LOG(kError, "thread ", CurrentThreadName(), " ended by an exception: ", what);
  std::abort();
}

void* ThreadEntry(void* raw_arguments) {
  const std::unique_ptr<StartArguments> arguments(static_cast<StartArguments*>(raw_arguments));
  SetCurrentThreadName(arguments->name);
  const SignalStack signal_stack;
  try {
    arguments->body();
  } catch (const std::exception& exception) {
    DieOfException(exception.what());
  } catch (...) {
    DieOfException("of unknown type");
  }
  return nullptr;
}

}  // namespace

void SetCurrentThreadName(std::string_view name) {
  name = name.substr(0, kMaxThreadNameBytes);
  std::memcpy(current_name, name.data(), name.size());
  current_name[name.size()] = '\0';
  ::pthread_setname_np(::pthread_self(), current_name);
}

std::string_view CurrentThreadName() {
  if (current_name[0] == '\0') {
    ::pthread_getname_np(::pthread_self(), current_name, sizeof(current_name));
  }
  return current_name;
}

Result<Thread> Thread::Start(std::string_view name, std::function<void()> body) {
  auto arguments = std::make_unique<StartArguments>(
      StartArguments{.name = std::string(name), .body = std::move(body)});
  pthread_t handle{};
  const int error = ::pthread_create(&handle, nullptr, ThreadEntry, arguments.get());
  if (error != 0) return Error::FromErrorNumber(Concat("start thread ", name), error);
  static_cast<void>(arguments.release());  // ThreadEntry owns them now.
  return Thread(handle);
}

Thread::Thread(Thread&& other) noexcept
    : handle_(other.handle_), joinable_(std::exchange(other.joinable_, false)) {}

Thread& Thread::operator=(Thread&& other) noexcept {
  if (this != &other) {
    Join();
    handle_ = other.handle_;
    joinable_ = std::exchange(other.joinable_, false);
  }
  return *this;
}

void Thread::Join() {
  if (!joinable_) return;
  ::pthread_join(handle_, nullptr);
  joinable_ = false;
}

Status Thread::Signal(int signal_number) const {
  const int error = joinable_ ? ::pthread_kill(handle_, signal_number) : ESRCH;
  if (error != 0) return Error::FromErrorNumber("pthread_kill", error);
  return {};
}

}  // namespace ember
