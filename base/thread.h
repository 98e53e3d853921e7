#ifndef EMBER_BASE_THREAD_H_
#define EMBER_BASE_THREAD_H_

#include <pthread.h>

#include <functional>
#include <memory>
#include <string_view>

#include "base/result.h"

namespace ember {

// The longest name Linux keeps for a thread.
inline constexpr size_t kMaxThreadNameBytes = 15;

// Names the calling thread, for the log and for ps. Longer names are cut.
void SetCurrentThreadName(std::string_view name);
// The name of the calling thread; valid for its life.
std::string_view CurrentThreadName();

// A running thread, joined when destroyed: declare it last in its owner, and tell it to end before.
// An exception that leaves `body` is logged and aborts the process. Move-only; used by its owner's
// thread only, except Signal().
//
//   Thread worker = TRY(Thread::Start("worker", [this] { Work(); }));
class Thread {
 public:
  static Result<Thread> Start(std::string_view name, std::function<void()> body);

  Thread() = default;
  Thread(Thread&& other) noexcept;
  Thread& operator=(Thread&& other) noexcept;
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;
  ~Thread() { Join(); }

  // Waits for its end. Harmless where there is none to join.
  void Join();
  bool joinable() const { return joinable_; }
  // Sends the signal to this thread, which may have ended but must not have been joined. Any
  // thread.
  Status Signal(int signal_number) const;

 private:
  explicit Thread(pthread_t handle) : handle_(handle), joinable_(true) {}

  pthread_t handle_{};
  bool joinable_ = false;
};

}  // namespace ember

#endif  // EMBER_BASE_THREAD_H_
