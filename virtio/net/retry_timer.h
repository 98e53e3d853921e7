#ifndef EMBER_VIRTIO_NET_RETRY_TIMER_H_
#define EMBER_VIRTIO_NET_RETRY_TIMER_H_

#include <chrono>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/timer.h"

namespace ember::virtio {

// The one timer of several that wait: it ends at the earliest of the times asked for. One thread at
// a time.
class RetryTimer {
 public:
  RetryTimer(Timer timer, const Clock& clock) : timer_(std::move(timer)), clock_(clock) {}

  const Fd& fd() const { return timer_.fd(); }

  // Ends after `delay` at the latest; at once where it is 0.
  void After(std::chrono::nanoseconds delay) {
    const std::chrono::nanoseconds end = clock_.Now() + delay;
    if (end_ && *end_ <= end) return;
    end_ = end;
    timer_.Arm(delay);
  }
  // Does not end, until it is asked again.
  void Clear() {
    if (!end_) return;
    end_.reset();
    timer_.Disarm();
  }

 private:
  Timer timer_;
  const Clock& clock_;
  std::optional<std::chrono::nanoseconds> end_;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_NET_RETRY_TIMER_H_
