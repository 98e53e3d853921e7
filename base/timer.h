#ifndef EMBER_BASE_TIMER_H_
#define EMBER_BASE_TIMER_H_

#include <chrono>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace ember {

// A moment to come, as a descriptor that is readable from then on: for an EventSet. Move-only. Any
// thread, one at a time.
class Timer {
 public:
  static Result<Timer> Create();

  const Fd& fd() const { return fd_; }
  // Readable once `delay` is over (at once where it is not positive), instead of when it was armed
  // for before.
  void Arm(std::chrono::nanoseconds delay);
  // Not readable, until it is armed again. Also how its owner takes note that the time has come.
  void Disarm();
  // Whether it was armed and not disarmed since: it may be readable, now or later.
  bool armed() const { return armed_; }

 private:
  explicit Timer(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
  bool armed_ = false;
};

}  // namespace ember

#endif  // EMBER_BASE_TIMER_H_
