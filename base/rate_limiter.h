#ifndef EMBER_BASE_RATE_LIMITER_H_
#define EMBER_BASE_RATE_LIMITER_H_

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include "base/token_bucket.h"

namespace ember {

// What the API calls a RateLimiter. A bucket not given does not limit.
struct RateLimiterOptions {
  std::optional<TokenBucketOptions> bandwidth;  // tokens are bytes
  std::optional<TokenBucketOptions> ops;        // tokens are operations
};

// Admits operations by their count and their bytes together. One thread at a time.
//
//   if (!limiter.Consume(request_bytes, clock.Now())) {
//     retry = TRY(loop.CallAfter(limiter.TimeUntilReady(request_bytes, clock.Now()), …));
//   }
class RateLimiter {
 public:
  using Nanoseconds = std::chrono::nanoseconds;

  RateLimiter(const RateLimiterOptions& options, Nanoseconds now)
      : bandwidth_(options.bandwidth.value_or(TokenBucketOptions{}), now),
        ops_(options.ops.value_or(TokenBucketOptions{}), now) {}

  // Admits one operation of `bytes`, or returns false and takes nothing from either bucket.
  bool Consume(uint64_t bytes, Nanoseconds now) {
    if (TimeUntilReady(bytes, now) > Nanoseconds::zero()) return false;
    return bandwidth_.Consume(bytes, now) && ops_.Consume(1, now);
  }
  // Puts new buckets, full, in place of those that are given, and leaves the others as they are. A
  // bucket of size or refill time 0 ends the limit.
  void Update(const RateLimiterOptions& options, Nanoseconds now) {
    if (options.bandwidth) bandwidth_ = TokenBucket(*options.bandwidth, now);
    if (options.ops) ops_ = TokenBucket(*options.ops, now);
  }
  // How long until it would be admitted, if nothing else is before it; 0: now.
  Nanoseconds TimeUntilReady(uint64_t bytes, Nanoseconds now) const {
    return std::max(bandwidth_.TimeUntilReady(bytes, now), ops_.TimeUntilReady(1, now));
  }

 private:
  TokenBucket bandwidth_;
  TokenBucket ops_;
};

}  // namespace ember

#endif  // EMBER_BASE_RATE_LIMITER_H_
