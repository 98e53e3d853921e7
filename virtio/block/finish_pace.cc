#include "virtio/block/finish_pace.h"

#include <algorithm>

namespace ember::virtio {
namespace {

constexpr int kShareOfInFlight = 4;
// How much the past counts beside what is new, of this many.
constexpr int kMemory = 4;

}  // namespace

void FinishPace::Note(std::chrono::nanoseconds now, size_t finished, size_t in_flight) {
  if (in_flight_ == 0) {
    since_ = now;
  } else if (finished > 0) {
    const std::chrono::nanoseconds each = (now - since_) / static_cast<int64_t>(finished);
    each_ = each_.count() == 0 ? each : (each_ * (kMemory - 1) + each) / kMemory;
    since_ = now;
  }
  in_flight_ = in_flight;
}

std::chrono::nanoseconds FinishPace::delay() const {
  if (in_flight_ < kLeastInFlight) return {};
  // One that takes longer than all may wait needs no multiplying, which might overflow.
  const std::chrono::nanoseconds each = std::min<std::chrono::nanoseconds>(each_, kMostDelay);
  const std::chrono::nanoseconds delay = each * in_flight_ / kShareOfInFlight;
  if (delay < kLeastDelay) return {};
  return std::min<std::chrono::nanoseconds>(delay, kMostDelay);
}

}  // namespace ember::virtio
