// The rate limiter under a clock that the test turns.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "tests/base/fake_clock.h"
#include "tests/virtio/block/block_bench.h"

namespace ember::virtio::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct LimitedBench {
  explicit LimitedBench(const RateLimiterOptions& limits, uint16_t queue_count = 1)
      : bench({.size_bytes = uint64_t{1} << 20,
               .device = {.drive_id = "limited",
                          .queue_count = queue_count,
                          .rate_limiter = limits,
                          .clock = clock}}),
        data(bench.rig.ram.Allocate(65536)) {
    bench.rig.Pump();
  }

  // Keeps the ring full for `duration`, looking in each millisecond. How many were answered.
  uint64_t RunFull(uint32_t len, milliseconds duration) {
    DriverRing& ring = bench.driver.ring();
    uint64_t answered = 0;
    for (milliseconds t{0}; t < duration; t += milliseconds{1}) {
      while (ring.free_descriptors() >= 3) bench.driver.Put(kBlockIn, 0, data, len);
      bench.driver.Kick();
      bench.rig.driver.Notify(0);
      bench.rig.PumpOnce();
      while (ring.TakeUsed()) ++answered;
      clock.Advance(milliseconds{1});
    }
    return answered;
  }
  int used() { return bench.driver.ring().used_index(); }

  FakeClock clock;
  Bench bench;
  GuestAddress data;
};

TEST(BlockLimiterTest, HoldsOperationsAtTheirRate) {
  LimitedBench limited({.ops = TokenBucketOptions{.size = 100, .refill_time_ms = 100}});
  const uint64_t answered = limited.RunFull(512, seconds{10});
  // 1000 a second, and the bucket is full at the start.
  EXPECT_NEAR(static_cast<double>(answered), 10'100, 10'100 * 0.005);
}

TEST(BlockLimiterTest, HoldsBytesAtTheirRate) {
  LimitedBench limited({.bandwidth = TokenBucketOptions{.size = 1 << 20, .refill_time_ms = 1000}});
  const uint64_t answered = limited.RunFull(16384, seconds{10});
  EXPECT_NEAR(static_cast<double>(answered * 16384), 11.0 * (1 << 20), 11.0 * (1 << 20) * 0.005);
}

TEST(BlockLimiterTest, SpendsABurstFirst) {
  LimitedBench limited(
      {.ops = TokenBucketOptions{.size = 10, .one_time_burst = 500, .refill_time_ms = 1000}});
  const uint64_t answered = limited.RunFull(512, seconds{10});
  EXPECT_NEAR(static_cast<double>(answered), 500 + 10 + 100, 2);
}

TEST(BlockLimiterTest, HoldsBothLimitsAtOnce) {
  LimitedBench limited({.bandwidth = TokenBucketOptions{.size = 1 << 20, .refill_time_ms = 1000},
                        .ops = TokenBucketOptions{.size = 10, .refill_time_ms = 1000}});
  EXPECT_NEAR(static_cast<double>(limited.RunFull(512, seconds{10})), 110, 2);
}

TEST(BlockLimiterTest, AdmitsARequestLargerThanTheBucketInTheEnd) {
  LimitedBench limited({.bandwidth = TokenBucketOptions{.size = 512, .refill_time_ms = 10}});
  EXPECT_GE(limited.RunFull(65536, seconds{10}), 6U);
}

TEST(BlockLimiterTest, HoldsOnlyTheOneRequestThatIsNext) {
  LimitedBench limited({.ops = TokenBucketOptions{.size = 2, .refill_time_ms = 1000}});
  for (int i = 0; i < 5; ++i) limited.bench.driver.Put(kBlockIn, 0, limited.data, 512);
  limited.bench.driver.Kick();
  limited.bench.rig.PumpOnce();
  EXPECT_EQ(limited.used(), 2);
  EXPECT_EQ(limited.bench.device.metrics().rate_limiter_throttled_events.value(), 1U);
  EXPECT_EQ(limited.bench.disk.calls.size(), 2U);
}

TEST(BlockLimiterTest, WakesUpByItselfWhenTheWaitIsOver) {
  LimitedBench limited({.ops = TokenBucketOptions{.size = 1, .refill_time_ms = 1}});
  limited.bench.driver.Put(kBlockIn, 0, limited.data, 512);
  limited.bench.driver.Put(kBlockIn, 0, limited.data, 512);
  limited.bench.driver.Kick();
  limited.bench.rig.PumpOnce();
  ASSERT_EQ(limited.used(), 1);
  limited.clock.Advance(milliseconds{1});
  while (limited.used() < 2) limited.bench.rig.PumpOnce();
  EXPECT_GE(limited.bench.device.metrics().rate_limiter_event_count.value(), 1U);
}

TEST(BlockLimiterTest, CountsFlushesAndUnknownTypesAsOperationsOfNoBytes) {
  LimitedBench limited({.bandwidth = TokenBucketOptions{.size = 1, .refill_time_ms = 1'000'000},
                        .ops = TokenBucketOptions{.size = 3, .refill_time_ms = 1'000'000}});
  for (int i = 0; i < 5; ++i) limited.bench.driver.Put(kBlockFlush, 0, {}, 0);
  limited.bench.driver.Kick();
  limited.bench.rig.PumpOnce();
  EXPECT_EQ(limited.used(), 3);
}

TEST(BlockLimiterTest, CanBeLiftedWhileARequestWaits) {
  LimitedBench limited({.ops = TokenBucketOptions{.size = 1, .refill_time_ms = 1'000'000'000}});
  for (int i = 0; i < 4; ++i) limited.bench.driver.Put(kBlockIn, 0, limited.data, 512);
  limited.bench.driver.Kick();
  limited.bench.rig.PumpOnce();
  ASSERT_EQ(limited.used(), 1);
  limited.bench.rig.state().WithDevice(
      [&] { limited.bench.device.UpdateRateLimiter({.ops = TokenBucketOptions{}}); });
  limited.bench.rig.Pump();
  EXPECT_EQ(limited.used(), 4);
  EXPECT_EQ(limited.bench.device.metrics().update_count.value(), 1U);
}

TEST(BlockLimiterTest, CanBeSetWhileTheDeviceWorks) {
  LimitedBench limited({});
  EXPECT_EQ(limited.RunFull(512, milliseconds{5}) % 21, 0U) << "nothing holds it back";
  limited.bench.device.UpdateRateLimiter(
      {.ops = TokenBucketOptions{.size = 10, .refill_time_ms = 100}});
  EXPECT_NEAR(static_cast<double>(limited.RunFull(512, seconds{10})), 1010, 12);
}

TEST(BlockLimiterTest, ForgetsAWaitingRequestOnReset) {
  LimitedBench limited({.ops = TokenBucketOptions{.size = 1, .refill_time_ms = 1'000'000}});
  for (int i = 0; i < 3; ++i) limited.bench.driver.Put(kBlockIn, 0, limited.data, 512);
  limited.bench.driver.Kick();
  limited.bench.rig.PumpOnce();
  limited.bench.rig.driver.Write(reg::kStatus, 0);
  EXPECT_EQ(limited.bench.rig.driver.status(), 0U);
  limited.clock.Advance(seconds{10'000});
  limited.bench.rig.Pump();
  EXPECT_EQ(limited.used(), 1);
  EXPECT_EQ(limited.bench.disk.calls.size(), 1U);
}

}  // namespace
}  // namespace ember::virtio::testing
