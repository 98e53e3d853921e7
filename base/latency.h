#ifndef EMBER_BASE_LATENCY_H_
#define EMBER_BASE_LATENCY_H_

#include <atomic>
#include <chrono>
#include <cstdint>

#include "base/counter.h"

namespace ember {

// How long some operation took: the shortest, the longest and all of them together. Written by one
// thread at a time, read by any, which may see one of the three a little before the others.
class LatencyAggregate {
 public:
  void Add(std::chrono::nanoseconds duration) {
    const auto nanoseconds = static_cast<uint64_t>(duration.count());
    sum_ns_.AddAlone(nanoseconds);
    if (nanoseconds < min_ns_.load(kRelaxed)) min_ns_.store(nanoseconds, kRelaxed);
    if (nanoseconds > max_ns_.load(kRelaxed)) max_ns_.store(nanoseconds, kRelaxed);
  }

  // Whole microseconds; 0 where there was none.
  uint64_t min_us() const {
    const uint64_t min_ns = min_ns_.load(kRelaxed);
    return min_ns == UINT64_MAX ? 0 : min_ns / kNanosecondsPerMicrosecond;
  }
  uint64_t max_us() const { return max_ns_.load(kRelaxed) / kNanosecondsPerMicrosecond; }
  uint64_t sum_us() const { return sum_ns_.value() / kNanosecondsPerMicrosecond; }

 private:
  static constexpr std::memory_order kRelaxed = std::memory_order_relaxed;
  static constexpr uint64_t kNanosecondsPerMicrosecond = 1000;

  Counter sum_ns_;
  std::atomic<uint64_t> min_ns_{UINT64_MAX};
  std::atomic<uint64_t> max_ns_{0};
};

}  // namespace ember

#endif  // EMBER_BASE_LATENCY_H_
