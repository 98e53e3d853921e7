#ifndef EMBER_VMM_RATE_LIMITER_RATE_LIMITER_CONFIG_H_
#define EMBER_VMM_RATE_LIMITER_RATE_LIMITER_CONFIG_H_

#include <cstdint>
#include <optional>

#include "base/rate_limiter.h"

// The limits of a device's traffic as clients describe them, for every device that has one.
namespace ember::vmm {

// All of them may be any number: a bucket whose size or refill time is 0 does not limit.
struct TokenBucketConfig {
  uint64_t size = 0;                       // bytes or operations
  std::optional<uint64_t> one_time_burst;  // absent: none
  uint64_t refill_time = 0;                // ms

  friend bool operator==(const TokenBucketConfig&, const TokenBucketConfig&) = default;
};

// A device's limits, or a change of them (PATCH).
struct RateLimiterConfig {
  std::optional<TokenBucketConfig> bandwidth;  // absent: no limit; in a change: as it was
  std::optional<TokenBucketConfig> ops;

  // Whether there is no limit, or no change.
  bool empty() const { return !bandwidth && !ops; }
  friend bool operator==(const RateLimiterConfig&, const RateLimiterConfig&) = default;
};

// What RateLimiter's constructor takes, and of a change RateLimiter::Update().
RateLimiterOptions ToOptions(const RateLimiterConfig& config);
TokenBucketOptions ToOptions(const TokenBucketConfig& config);

// `config` after the change: buckets that do not limit are gone.
RateLimiterConfig Apply(const RateLimiterConfig& config, const RateLimiterConfig& change);

}  // namespace ember::vmm

#endif  // EMBER_VMM_RATE_LIMITER_RATE_LIMITER_CONFIG_H_
