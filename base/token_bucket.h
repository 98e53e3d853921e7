#ifndef EMBER_BASE_TOKEN_BUCKET_H_
#define EMBER_BASE_TOKEN_BUCKET_H_

#include <chrono>
#include <cstdint>

namespace ember {

// What the API calls a TokenBucket.
struct TokenBucketOptions {
  uint64_t size = 0;            // the most tokens it holds; 0: no limit
  uint64_t one_time_burst = 0;  // more tokens at the start, spent first and never given again
  uint64_t refill_time_ms = 0;  // from empty to full, at a constant rate; 0: no limit
};

// Admits work at a rate. It starts full, and fills only once the burst is spent. A request for more
// than its size is admitted when it is full and leaves a debt, which is refilled before anything
// else is admitted: so every request is admitted at last, and the rate holds. Exact for all 64-bit
// values, but a refill time over 292 years counts as that. One thread at a time.
class TokenBucket {
 public:
  using Nanoseconds = std::chrono::nanoseconds;

  // `now` is of one monotonic clock, here and below. A step back counts as no step.
  TokenBucket(const TokenBucketOptions& options, Nanoseconds now);

  // Takes `tokens` all together, or none and returns false. 0 tokens are always admitted.
  bool Consume(uint64_t tokens, Nanoseconds now);
  // How long until Consume(tokens) would succeed, if nothing else consumes; 0: now.
  Nanoseconds TimeUntilReady(uint64_t tokens, Nanoseconds now) const;

 private:
  // Tokens times the refill time in nanoseconds: as many are gained in a nanosecond as the bucket
  // has size, with nothing to round. |level| < 2^64 * 2^63.
  __extension__ using Grains = __int128;
  __extension__ using UnsignedGrains = unsigned __int128;

  bool unlimited() const { return options_.size == 0 || refill_ns_ == 0; }
  Grains ToGrains(uint64_t tokens) const;
  // The level that `tokens` of the bucket, not of the burst, must find.
  Grains Needed(uint64_t tokens) const;
  // Without the burst, the level at `now`.
  Grains LevelAt(Nanoseconds now) const;

  TokenBucketOptions options_;
  int64_t refill_ns_;
  uint64_t burst_left_;
  Grains level_;  // as of updated_; below 0 in debt
  Nanoseconds updated_;
};

}  // namespace ember

#endif  // EMBER_BASE_TOKEN_BUCKET_H_
