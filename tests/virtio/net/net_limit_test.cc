// Rate limiters on a clock that the test turns.
#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>

#include "tests/virtio/net/net_bench.h"

namespace ember::virtio::testing {
namespace {

using std::chrono::milliseconds;

// `size` at once, and again in 2 ms.
RateLimiterOptions Ops(uint64_t size) {
  return {.bandwidth = std::nullopt, .ops = TokenBucketOptions{.size = size, .refill_time_ms = 2}};
}
RateLimiterOptions Bytes(uint64_t size) {
  return {.bandwidth = TokenBucketOptions{.size = size, .refill_time_ms = 2}, .ops = std::nullopt};
}

NetBench::Options Transmit(const RateLimiterOptions& limits) {
  return {.device = {.interface_id = "eth0", .transmit_limits = limits}};
}
NetBench::Options Receive(const RateLimiterOptions& limits) {
  return {.device = {.interface_id = "eth0", .receive_limits = limits}};
}

// The device's clock goes on by `by`; then its timers, which are the host's, come to their end.
void PassTime(NetBench& bench, milliseconds by) {
  bench.clock.Advance(by);
  pollfd wait{.fd = bench.device->host_event_fd(), .events = POLLIN, .revents = 0};
  ::poll(&wait, 1, 5000);
  bench.rig.Pump();
}

template <typename Take>
int Count(Take take) {
  int count = 0;
  while (take()) ++count;
  return count;
}

TEST(NetTransmitLimitTest, HoldsOperationsToTheirRate) {
  NetBench bench(Transmit(Ops(4)));
  for (int i = 0; i < 10; ++i) bench.driver.Put({}, FrameOf(60));
  bench.driver.KickTransmit();
  bench.rig.Pump();
  const auto sent = [&] { return Count([&] { return bench.backend.Take(); }); };
  EXPECT_EQ(sent(), 4);
  EXPECT_EQ(bench.driver.Reclaim(), 4U);
  EXPECT_EQ(bench.metrics().tx_rate_limiter_throttled.value(), 1U);
  PassTime(bench, milliseconds(2));
  EXPECT_EQ(sent(), 4);
  EXPECT_EQ(bench.metrics().tx_rate_limiter_event_count.value(), 1U);
  PassTime(bench, milliseconds(1));
  EXPECT_EQ(sent(), 2);
}

TEST(NetTransmitLimitTest, HoldsBytesToTheirRate) {
  NetBench bench(Transmit(Bytes(3000)));
  for (int i = 0; i < 6; ++i) bench.driver.Put({}, FrameOf(1000));
  bench.driver.KickTransmit();
  bench.rig.Pump();
  const auto sent = [&] { return Count([&] { return bench.backend.Take(); }); };
  EXPECT_EQ(sent(), 3);
  PassTime(bench, milliseconds(1));
  EXPECT_EQ(sent(), 1);
}

TEST(NetTransmitLimitTest, LetsAFrameLargerThanTheBucketThrough) {
  NetBench bench(Transmit(Bytes(100)));
  bench.driver.Send(FrameOf(1000));
  EXPECT_TRUE(bench.backend.Take());
  bench.driver.Send(FrameOf(60));
  EXPECT_FALSE(bench.backend.Take());
  PassTime(bench, milliseconds(30));
  EXPECT_TRUE(bench.backend.Take());
}

TEST(NetTransmitLimitTest, ChargesAFrameOnceWhereTheHostWasFull) {
  NetBench bench(Transmit(Ops(2)));
  bench.backend.send_outcomes = {SendOutcome::kFull, SendOutcome::kFull, SendOutcome::kFull};
  bench.driver.Put({}, FrameOf(60));
  bench.driver.Put({}, FrameOf(61));
  bench.driver.KickTransmit();
  bench.rig.Pump();
  EXPECT_EQ(bench.driver.Reclaim(), 2U);
}

TEST(NetReceiveLimitTest, HoldsFramesToTheirRateAndLosesNone) {
  NetBench bench(Receive(Ops(2)));
  bench.driver.Offer(16, 1530);
  for (unsigned i = 0; i < 6; ++i) bench.backend.Put({.bytes = FrameOf(60, i)});
  bench.driver.KickReceive();
  bench.rig.Pump();
  for (unsigned i = 0; i < 6; ++i) {
    if (i == 2 || i == 4) {
      EXPECT_FALSE(bench.driver.Take());
      PassTime(bench, milliseconds(2));
    }
    const auto packet = bench.driver.Take();
    ASSERT_TRUE(packet) << i;
    EXPECT_EQ(packet->frame, FrameOf(60, i));
  }
  EXPECT_EQ(bench.metrics().rx_rate_limiter_throttled.value(), 2U);
  EXPECT_EQ(bench.metrics().rx_event_rate_limiter_count.value(), 2U);
}

TEST(NetReceiveLimitTest, CostsNothingWhileItWaits) {
  NetBench bench(Receive(Bytes(1000)));
  bench.driver.Offer(16, 1530);
  bench.driver.KickReceive();
  bench.backend.Put({.bytes = FrameOf(1000)});
  bench.backend.Put({.bytes = FrameOf(1000)});
  bench.backend.Put({.bytes = FrameOf(1000)});
  bench.rig.Pump();
  EXPECT_TRUE(bench.driver.Take());
  // The timer may end, as the host's time goes on; each end is one wake-up.
  EXPECT_LE(bench.rig.Pump(), 2);
}

TEST(NetLimitUpdateTest, EndsAWaitWhenTheLimitIsLifted) {
  NetBench bench(Transmit({.bandwidth = std::nullopt,
                           .ops = TokenBucketOptions{.size = 1, .refill_time_ms = 1000000}}));
  for (int i = 0; i < 5; ++i) bench.driver.Put({}, FrameOf(60));
  bench.driver.KickTransmit();
  bench.rig.Pump();
  EXPECT_EQ(bench.driver.Reclaim(), 1U);
  bench.rig.state().WithDevice([&] {
    bench.device->UpdateLimits({}, {.bandwidth = std::nullopt, .ops = TokenBucketOptions{}});
  });
  PassTime(bench, milliseconds(0));
  EXPECT_EQ(bench.driver.Reclaim(), 4U);
}

TEST(NetLimitUpdateTest, LeavesBucketsThatAreNotGiven) {
  NetBench bench(Transmit(Ops(1)));
  bench.rig.state().WithDevice([&] { bench.device->UpdateLimits(Ops(7), Bytes(100000)); });
  bench.driver.Put({}, FrameOf(60));
  bench.driver.Put({}, FrameOf(60));
  bench.driver.KickTransmit();
  bench.rig.Pump();
  EXPECT_EQ(bench.driver.Reclaim(), 1U);
}

}  // namespace
}  // namespace ember::virtio::testing
