#ifndef EMBER_API_WAKER_H_
#define EMBER_API_WAKER_H_

#include <functional>
#include <utility>

#include "base/thread_annotations.h"

namespace ember::api {

// How any thread tells the API's that something may have come that a client waits for. Shared by
// those who tell, who may outlive the server; then nobody hears them.
class Waker {
 public:
  // Calls what Attach() gave, if it is still there. Any thread.
  void Wake() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    if (wake_) wake_();
  }

  // `wake` is called on any thread, and must be quick.
  void Attach(std::function<void()> wake) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    wake_ = std::move(wake);
  }
  // After return nothing is called.
  void Detach() EXCLUDES(mutex_) { Attach({}); }

 private:
  Mutex mutex_;
  std::function<void()> wake_ GUARDED_BY(mutex_);
};

}  // namespace ember::api

#endif  // EMBER_API_WAKER_H_
