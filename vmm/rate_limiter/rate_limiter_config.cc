#include "vmm/rate_limiter/rate_limiter_config.h"

namespace ember::vmm {
namespace {

using Bucket = std::optional<TokenBucketConfig>;

bool Limits(const TokenBucketConfig& bucket) { return bucket.size != 0 && bucket.refill_time != 0; }

Bucket Apply(const Bucket& bucket, const Bucket& change) {
  if (!change) return bucket;
  return Limits(*change) ? change : std::nullopt;
}

}  // namespace

TokenBucketOptions ToOptions(const TokenBucketConfig& config) {
  return {.size = config.size,
          .one_time_burst = config.one_time_burst.value_or(0),
          .refill_time_ms = config.refill_time};
}

RateLimiterOptions ToOptions(const RateLimiterConfig& config) {
  RateLimiterOptions options;
  if (config.bandwidth) options.bandwidth = ToOptions(*config.bandwidth);
  if (config.ops) options.ops = ToOptions(*config.ops);
  return options;
}

RateLimiterConfig Apply(const RateLimiterConfig& config, const RateLimiterConfig& change) {
  return {.bandwidth = Apply(config.bandwidth, change.bandwidth),
          .ops = Apply(config.ops, change.ops)};
}

}  // namespace ember::vmm
