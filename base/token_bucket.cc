#include "base/token_bucket.h"

#include <algorithm>
#include <limits>

namespace ember {
namespace {

constexpr int64_t kMaxInt64 = std::numeric_limits<int64_t>::max();

int64_t SaturatingNanoseconds(uint64_t milliseconds) {
  constexpr int64_t kNanosecondsPerMillisecond = 1'000'000;
  constexpr auto kMaxMilliseconds = static_cast<uint64_t>(kMaxInt64 / kNanosecondsPerMillisecond);
  if (milliseconds > kMaxMilliseconds) return kMaxInt64;
  return static_cast<int64_t>(milliseconds) * kNanosecondsPerMillisecond;
}

}  // namespace

TokenBucket::TokenBucket(const TokenBucketOptions& options, Nanoseconds now)
    : options_(options),
      refill_ns_(SaturatingNanoseconds(options.refill_time_ms)),
      burst_left_(options.one_time_burst),
      level_(ToGrains(options.size)),
      updated_(now) {}

bool TokenBucket::Consume(uint64_t tokens, Nanoseconds now) {
  if (unlimited() || tokens == 0) return true;
  // With burst left the bucket is full, and whatever the burst lacks is admitted.
  const uint64_t from_burst = std::min(tokens, burst_left_);
  const uint64_t from_bucket = tokens - from_burst;
  level_ = LevelAt(now);
  updated_ = std::max(updated_, now);
  if (level_ < Needed(from_bucket)) return false;
  burst_left_ -= from_burst;
  level_ -= ToGrains(from_bucket);
  return true;
}

TokenBucket::Nanoseconds TokenBucket::TimeUntilReady(uint64_t tokens, Nanoseconds now) const {
  if (unlimited() || tokens <= burst_left_) return Nanoseconds::zero();
  const Grains level = LevelAt(now);
  const Grains needed = Needed(tokens - burst_left_);
  if (level >= needed) return Nanoseconds::zero();
  // As unsigned: the difference may need the 128th bit.
  const auto missing = static_cast<UnsignedGrains>(needed) - static_cast<UnsignedGrains>(level);
  const UnsignedGrains whole = missing / options_.size;
  const UnsignedGrains wait = whole + (missing % options_.size != 0 ? 1 : 0);
  return Nanoseconds(static_cast<int64_t>(std::min<UnsignedGrains>(wait, kMaxInt64)));
}

TokenBucket::Grains TokenBucket::ToGrains(uint64_t tokens) const {
  return static_cast<Grains>(tokens) * refill_ns_;
}

TokenBucket::Grains TokenBucket::Needed(uint64_t tokens) const {
  return ToGrains(std::min(tokens, options_.size));
}

TokenBucket::Grains TokenBucket::LevelAt(Nanoseconds now) const {
  if (now <= updated_) return level_;
  const uint64_t elapsed_ns =
      static_cast<uint64_t>(now.count()) - static_cast<uint64_t>(updated_.count());
  const UnsignedGrains gained = static_cast<UnsignedGrains>(elapsed_ns) * options_.size;
  // Neither sum nor difference may pass 2^127 as signed, so the lesser is found as unsigned.
  const UnsignedGrains missing =
      static_cast<UnsignedGrains>(ToGrains(options_.size)) - static_cast<UnsignedGrains>(level_);
  return level_ + static_cast<Grains>(std::min(gained, missing));
}

}  // namespace ember
