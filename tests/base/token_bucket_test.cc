#include "base/token_bucket.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>

#include "base/rate_limiter.h"
#include "tests/base/fake_clock.h"

namespace ember {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr nanoseconds kNoWait = nanoseconds::zero();

TEST(TokenBucketTest, StartsFullAndRefusesWhatItLacks) {
  TokenBucket bucket({.size = 100, .refill_time_ms = 1000}, nanoseconds{0});
  EXPECT_TRUE(bucket.Consume(60, nanoseconds{0}));
  EXPECT_FALSE(bucket.Consume(41, nanoseconds{0}));
  EXPECT_TRUE(bucket.Consume(40, nanoseconds{0}));
  EXPECT_FALSE(bucket.Consume(1, nanoseconds{0}));
}

TEST(TokenBucketTest, RefillsAtAConstantRateToTheNanosecond) {
  TokenBucket bucket({.size = 100, .refill_time_ms = 1000}, nanoseconds{0});
  EXPECT_TRUE(bucket.Consume(100, nanoseconds{0}));
  EXPECT_EQ(bucket.TimeUntilReady(1, nanoseconds{0}), milliseconds{10});
  EXPECT_FALSE(bucket.Consume(1, milliseconds{10} - nanoseconds{1}));
  EXPECT_TRUE(bucket.Consume(1, milliseconds{10}));
  EXPECT_FALSE(bucket.Consume(1, milliseconds{10}));
  EXPECT_TRUE(bucket.Consume(50, milliseconds{510}));
}

TEST(TokenBucketTest, HoldsNoMoreThanItsSizeHoweverLongItRests) {
  TokenBucket bucket({.size = 100, .refill_time_ms = 1000}, nanoseconds{0});
  const nanoseconds later = std::chrono::hours{1000};
  EXPECT_TRUE(bucket.Consume(100, later));
  EXPECT_FALSE(bucket.Consume(1, later));
}

TEST(TokenBucketTest, BurstIsSpentFirstAndNeverComesBack) {
  TokenBucket bucket({.size = 100, .one_time_burst = 50, .refill_time_ms = 1000}, nanoseconds{0});
  EXPECT_TRUE(bucket.Consume(120, nanoseconds{0}));  // 50 of the burst, 70 of the bucket
  EXPECT_TRUE(bucket.Consume(30, nanoseconds{0}));
  EXPECT_FALSE(bucket.Consume(1, nanoseconds{0}));
  EXPECT_FALSE(bucket.Consume(101, milliseconds{500}));
  EXPECT_TRUE(bucket.Consume(100, milliseconds{1000}));
  EXPECT_FALSE(bucket.Consume(1, milliseconds{1000}));
}

TEST(TokenBucketTest, RequestOverTheSizeNeedsAFullBucketAndLeavesADebt) {
  TokenBucket bucket({.size = 100, .refill_time_ms = 1000}, nanoseconds{0});
  EXPECT_TRUE(bucket.Consume(1, nanoseconds{0}));
  EXPECT_FALSE(bucket.Consume(250, nanoseconds{0}));
  EXPECT_EQ(bucket.TimeUntilReady(250, nanoseconds{0}), milliseconds{10});
  EXPECT_TRUE(bucket.Consume(250, milliseconds{10}));
  // 150 owed, then the 1 that is asked for.
  EXPECT_EQ(bucket.TimeUntilReady(1, milliseconds{10}), milliseconds{1510});
  EXPECT_FALSE(bucket.Consume(1, milliseconds{1519}));
  EXPECT_TRUE(bucket.Consume(1, milliseconds{1520}));
}

TEST(TokenBucketTest, NothingIsAlwaysAdmitted) {
  TokenBucket bucket({.size = 1, .refill_time_ms = 1000}, nanoseconds{0});
  EXPECT_TRUE(bucket.Consume(1000, nanoseconds{0}));
  EXPECT_TRUE(bucket.Consume(0, nanoseconds{0}));
  EXPECT_EQ(bucket.TimeUntilReady(0, nanoseconds{0}), kNoWait);
}

TEST(TokenBucketTest, SizeOrRefillTimeOfZeroMeansNoLimit) {
  for (const TokenBucketOptions options : {TokenBucketOptions{.size = 0, .refill_time_ms = 1},
                                           TokenBucketOptions{.size = 1, .refill_time_ms = 0}}) {
    TokenBucket bucket(options, nanoseconds{0});
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(bucket.Consume(UINT64_MAX, nanoseconds{0}));
    EXPECT_EQ(bucket.TimeUntilReady(UINT64_MAX, nanoseconds{0}), kNoWait);
  }
}

TEST(TokenBucketTest, ClockThatStepsBackGivesNoTokens) {
  TokenBucket bucket({.size = 100, .refill_time_ms = 1000}, milliseconds{500});
  EXPECT_TRUE(bucket.Consume(100, milliseconds{500}));
  EXPECT_FALSE(bucket.Consume(1, milliseconds{0}));
  EXPECT_FALSE(bucket.Consume(1, milliseconds{509}));
  EXPECT_TRUE(bucket.Consume(1, milliseconds{510}));
}

// Every combination of the values where 64 and 128 bits end; UBSan watches.
TEST(TokenBucketTest, ExtremeValuesKeepTheRules) {
  constexpr uint64_t kValues[] = {
      1, 2, uint64_t{1} << 32, uint64_t{INT64_MAX}, UINT64_MAX - 1, UINT64_MAX};
  constexpr nanoseconds kEnd = nanoseconds::max();
  for (const uint64_t size : kValues) {
    for (const uint64_t refill_time_ms : kValues) {
      for (const uint64_t burst : {uint64_t{0}, uint64_t{1}, UINT64_MAX}) {
        for (const uint64_t tokens : kValues) {
          TokenBucket bucket(
              {.size = size, .one_time_burst = burst, .refill_time_ms = refill_time_ms},
              nanoseconds::min());
          EXPECT_TRUE(bucket.Consume(tokens, nanoseconds::min()));
          for (const nanoseconds now : {nanoseconds{-1}, nanoseconds{0}, kEnd}) {
            const bool ready = bucket.TimeUntilReady(tokens, now) == kNoWait;
            EXPECT_EQ(bucket.Consume(tokens, now), ready);
          }
        }
      }
    }
  }
}

// The rules as they read, one nanosecond at a time.
class NaiveBucket {
 public:
  explicit NaiveBucket(const TokenBucketOptions& options)
      : options_(options), burst_(options.one_time_burst), tokens_(options.size) {}

  void TickOneNanosecond() {
    if (tokens_ == options_.size) return;
    progress_ += options_.size;
    const uint64_t refill_ns = options_.refill_time_ms * 1'000'000;
    while (progress_ >= refill_ns) {
      progress_ -= refill_ns;
      if (debt_ > 0) {
        --debt_;
      } else {
        ++tokens_;
      }
    }
    if (tokens_ == options_.size) progress_ = 0;
  }

  bool Consume(uint64_t wanted) {
    if (wanted <= burst_) {
      burst_ -= wanted;
      return true;
    }
    const uint64_t rest = wanted - burst_;
    if (debt_ > 0 || tokens_ < std::min(rest, options_.size)) return false;
    burst_ = 0;
    debt_ = rest > tokens_ ? rest - tokens_ : 0;
    tokens_ -= std::min(rest, tokens_);
    return true;
  }

 private:
  const TokenBucketOptions options_;
  uint64_t burst_;
  uint64_t tokens_;
  uint64_t debt_ = 0;
  uint64_t progress_ = 0;  // towards the next token, in tokens times nanoseconds
};

TEST(TokenBucketTest, AgreesWithANaiveModelStepByStep) {
  std::mt19937_64 random(20260722);
  const auto below = [&random](uint64_t limit) { return random() % limit; };
  for (int round = 0; round < 30; ++round) {
    // A token takes from tens to thousands of nanoseconds, mostly not a whole number.
    const TokenBucketOptions options{.size = 1 + below(30'000),
                                     .one_time_burst = below(2) * below(1000),
                                     .refill_time_ms = 1 + below(3)};
    TokenBucket bucket(options, nanoseconds{0});
    NaiveBucket model(options);
    nanoseconds now{0};
    for (int step = 0; step < 300; ++step) {
      for (uint64_t tick = below(600); tick > 0; --tick) {
        model.TickOneNanosecond();
        now += nanoseconds{1};
      }
      const uint64_t tokens = below(10) == 0 ? below(2 * options.size) : below(20);
      const bool ready = bucket.TimeUntilReady(tokens, now) == kNoWait;
      const bool admitted = model.Consume(tokens);
      ASSERT_EQ(ready, admitted) << "round " << round << " step " << step;
      ASSERT_EQ(bucket.Consume(tokens, now), admitted) << "round " << round << " step " << step;
    }
  }
}

TEST(TokenBucketTest, TimeUntilReadyIsTheFirstMomentThatAdmits) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 1000; ++round) {
    const TokenBucketOptions options{.size = 1 + random() % 1'000'000,
                                     .one_time_burst = random() % 3,
                                     .refill_time_ms = 1 + random() % 100'000};
    TokenBucket bucket(options, nanoseconds{0});
    bucket.Consume(random() % (2 * options.size), nanoseconds{0});
    const uint64_t wanted = 1 + random() % (2 * options.size);
    const nanoseconds wait = bucket.TimeUntilReady(wanted, nanoseconds{0});
    if (wait > kNoWait) {
      EXPECT_FALSE(TokenBucket(bucket).Consume(wanted, wait - nanoseconds{1}));
    }
    EXPECT_TRUE(bucket.Consume(wanted, wait));
  }
}

TEST(RateLimiterTest, WithoutBucketsNothingIsLimited) {
  RateLimiter limiter({}, nanoseconds{0});
  EXPECT_TRUE(limiter.Consume(UINT64_MAX, nanoseconds{0}));
  EXPECT_EQ(limiter.TimeUntilReady(UINT64_MAX, nanoseconds{0}), kNoWait);
}

TEST(RateLimiterTest, EitherBucketHoldsBackAndTheSlowerSaysHowLong) {
  FakeClock clock;
  RateLimiter limiter({.bandwidth = TokenBucketOptions{.size = 1000, .refill_time_ms = 1000},
                       .ops = TokenBucketOptions{.size = 2, .refill_time_ms = 1000}},
                      clock.Now());
  EXPECT_TRUE(limiter.Consume(900, clock.Now()));
  EXPECT_EQ(limiter.TimeUntilReady(200, clock.Now()), milliseconds{100});  // bytes
  EXPECT_TRUE(limiter.Consume(100, clock.Now()));
  EXPECT_EQ(limiter.TimeUntilReady(200, clock.Now()), milliseconds{500});  // operations
  clock.Advance(milliseconds{500});
  EXPECT_TRUE(limiter.Consume(200, clock.Now()));
}

TEST(RateLimiterTest, RefusalTakesFromNeitherBucket) {
  RateLimiter limiter({.bandwidth = TokenBucketOptions{.size = 1000, .refill_time_ms = 1000},
                       .ops = TokenBucketOptions{.size = 2, .refill_time_ms = 1000}},
                      nanoseconds{0});
  EXPECT_TRUE(limiter.Consume(900, nanoseconds{0}));
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(limiter.Consume(101, nanoseconds{0}));
  EXPECT_TRUE(limiter.Consume(100, nanoseconds{0}));
}

TEST(RateLimiterTest, AnUpdateReplacesTheBucketsItNames) {
  RateLimiter limiter({.bandwidth = TokenBucketOptions{.size = 1000, .refill_time_ms = 1000},
                       .ops = TokenBucketOptions{.size = 1, .refill_time_ms = 1000}},
                      nanoseconds{0});
  EXPECT_TRUE(limiter.Consume(1000, nanoseconds{0}));
  limiter.Update({.bandwidth = TokenBucketOptions{.size = 2000, .refill_time_ms = 1000}},
                 nanoseconds{0});
  EXPECT_EQ(limiter.TimeUntilReady(2000, nanoseconds{0}), milliseconds{1000})
      << "the operations' is as was";
  limiter.Update({.ops = TokenBucketOptions{.size = 0, .refill_time_ms = 1000}}, nanoseconds{0});
  EXPECT_TRUE(limiter.Consume(2000, nanoseconds{0}));
  EXPECT_FALSE(limiter.Consume(1, nanoseconds{0}));
  limiter.Update({.bandwidth = TokenBucketOptions{.size = 1, .refill_time_ms = 0}}, nanoseconds{0});
  EXPECT_TRUE(limiter.Consume(1 << 20, nanoseconds{0}));
}

}  // namespace
}  // namespace ember
