// Flushes within the limits of a client's.
#include <gtest/gtest.h>

#include <chrono>

#include "tests/virtio/pmem/pmem_bench.h"

namespace ember::virtio::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr RateLimiterOptions kOneOp{.ops = TokenBucketOptions{.size = 1, .refill_time_ms = 10}};

// Makes a request, and lets the device try it at once.
GuestAddress Ask(PmemBench& bench) {
  const GuestAddress at = bench.Put();
  bench.Kick();
  return at;
}

TEST(PmemRateLimiterTest, HoldsAFlushBackUntilThereAreTokens) {
  PmemBench bench(Access::kReadWrite, kOneOp);
  Ask(bench);
  bench.AwaitUsed(1);
  const GuestAddress second = Ask(bench);
  EXPECT_EQ(bench.Answer(second), kPmemUntouched);
  EXPECT_GE(bench.metrics().rate_limiter_throttled_events.value(), 1U);
  EXPECT_EQ(bench.store.begun(), 1);
  bench.clock.Advance(milliseconds(10));
  bench.AwaitUsed(2);  // the timer is real, and at most 10 ms long
  EXPECT_EQ(bench.Answer(second), 0U);
  EXPECT_GE(bench.metrics().rate_limiter_event_count.value(), 1U);
}

TEST(PmemRateLimiterTest, CountsAFlushAsTheBytesThatAreKept) {
  PmemBench bench(Access::kReadWrite,
                  {.bandwidth = TokenBucketOptions{.size = 2 * MemoryStore::kKeptBytes,
                                                   .refill_time_ms = 1'000'000}});
  for (uint16_t i = 1; i <= 2; ++i) {
    Ask(bench);
    bench.AwaitUsed(i);
  }
  Ask(bench);
  EXPECT_EQ(bench.metrics().rate_limiter_throttled_events.value(), 1U);
  EXPECT_EQ(bench.store.begun(), 2);
}

TEST(PmemRateLimiterTest, CountsAFlushOnceHoweverManyRequestsShareIt) {
  PmemBench bench(Access::kReadWrite, kOneOp);
  for (int i = 0; i < 10; ++i) bench.Put();
  bench.Kick();
  bench.AwaitUsed(10);
  EXPECT_EQ(bench.metrics().rate_limiter_throttled_events.value(), 0U);
}

TEST(PmemRateLimiterTest, GivesNoNewTokensForAReset) {
  PmemBench bench(Access::kReadWrite,
                  {.ops = TokenBucketOptions{.size = 1, .refill_time_ms = 1'000'000}});
  Ask(bench);
  bench.AwaitUsed(1);
  bench.Start();
  Ask(bench);
  EXPECT_EQ(bench.store.begun(), 1);
}

TEST(PmemRateLimiterTest, UpdateLetsGoWhatWaits) {
  PmemBench bench(Access::kReadWrite,
                  {.ops = TokenBucketOptions{.size = 1, .refill_time_ms = 1'000'000'000}});
  Ask(bench);
  bench.AwaitUsed(1);
  const GuestAddress second = Ask(bench);
  EXPECT_EQ(bench.Answer(second), kPmemUntouched);
  bench.rig.state().WithDevice(
      [&] { bench.device->UpdateRateLimiter({.ops = TokenBucketOptions{}}); });
  bench.AwaitUsed(2);
  EXPECT_EQ(bench.Answer(second), 0U);
}

TEST(PmemRateLimiterTest, ReadOnlyMemoryHasNothingToLimit) {
  PmemBench bench(Access::kReadOnly, kOneOp);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(bench.Answer(Ask(bench)), 0U);
}

}  // namespace
}  // namespace ember::virtio::testing
