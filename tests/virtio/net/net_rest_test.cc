// A network device comes to rest for a snapshot: no buffer of the driver's is in hand, and no frame
// is lost to it.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <utility>

#include "snapshot/fields.h"
#include "tests/virtio/net/net_bench.h"

namespace ember::virtio::testing {
namespace {

constexpr uint32_t kBufferBytes = 1530;
constexpr RateLimiterOptions kOneFrame{
    .bandwidth = std::nullopt, .ops = TokenBucketOptions{.size = 1, .refill_time_ms = 1'000'000}};

uint16_t PositionOf(NetBench& bench, size_t queue) {
  return bench.rig.Save().device.queues[queue].position;
}

TEST(NetRestTest, GivesBackTheBuffersThatItTookAhead) {
  NetBench bench({.driver = {.features = kNetMergeable}});
  bench.driver.Offer(50, kBufferBytes);
  bench.driver.KickReceive();
  for (const size_t size : {60U, 40000U, 60U}) {
    bench.backend.Put({.bytes = FrameOf(size)});
    bench.rig.Pump();
    ASSERT_TRUE(bench.driver.Take()) << "room for large frames is kept ready now";
  }
  const uint16_t used = bench.driver.receive_ring().used_index();
  EXPECT_EQ(PositionOf(bench, 0), used);
  bench.backend.Put({.bytes = FrameOf(20000, 7)});
  bench.rig.Pump();
  const auto packet = bench.driver.Take();
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->frame, FrameOf(20000, 7));
}

// Of which a part is in the driver's buffers and the rest is not.
TEST(NetRestTest, KeepsAFrameThatWaitsForBuffers) {
  NetBench bench({.driver = {.features = kNetMergeable}});
  bench.driver.Offer(2, kBufferBytes);
  bench.driver.KickReceive();
  bench.backend.Put({.bytes = FrameOf(9000)});
  bench.rig.Pump();
  EXPECT_EQ(PositionOf(bench, 0), 0);
  bench.rig.Pump();
  EXPECT_EQ(PositionOf(bench, 0), 0) << "once more, with nothing of it in the buffers";
  bench.driver.Offer(5, kBufferBytes);
  bench.driver.KickReceive();
  bench.rig.Pump();
  const auto packet = bench.driver.Take();
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->frame, FrameOf(9000));
}

TEST(NetRestTest, KeepsAFrameThatWaitsForTheLimiter) {
  NetBench bench({.device = {.interface_id = "eth0", .receive_limits = kOneFrame}});
  bench.driver.Offer(4, kBufferBytes);
  bench.driver.KickReceive();
  bench.backend.Put({.bytes = FrameOf(100, 1)});
  bench.backend.Put({.bytes = FrameOf(100, 2)});
  bench.rig.Pump();
  EXPECT_EQ(PositionOf(bench, 0), 1);
  ASSERT_TRUE(bench.driver.Take());
  bench.rig.state().WithDevice([&] {
    bench.device->UpdateLimits({.bandwidth = std::nullopt, .ops = TokenBucketOptions{}}, {});
  });
  bench.rig.Pump();
  const auto packet = bench.driver.Take();
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->frame, FrameOf(100, 2));
}

// It could not be put back behind one that was given back already.
TEST(NetRestTest, GivesBackABufferBehindWhichAUselessOneWasAnswered) {
  NetBench bench({.driver = {.features = kNetMergeable}});
  bench.driver.Offer(1, 100);
  bench.driver.Offer(1, 4);
  bench.driver.Offer(1, 100);
  bench.driver.KickReceive();
  bench.rig.Pump();
  EXPECT_EQ(bench.driver.receive_ring().used_index(), 1);
  EXPECT_EQ(PositionOf(bench, 0), 3);
  EXPECT_FALSE(bench.needs_reset());
}

TEST(NetRestTest, PutsBackAFrameThatWaitsToBeSent) {
  NetBench bench;
  bench.backend.send_outcomes = {SendOutcome::kFull};
  bench.driver.Put({}, FrameOf(500));
  bench.driver.KickTransmit();
  bench.rig.PumpOnce();
  EXPECT_EQ(PositionOf(bench, 1), 0);
  bench.rig.Pump();
  const auto frame = bench.backend.Take();
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->bytes, FrameOf(500));
  EXPECT_EQ(bench.driver.Reclaim(), 1U);
}

TEST(NetStateTest, HasTheBackEndUseTheDriversPairs) {
  NetBench bench({.driver = {.features = kNetMultiQueue | kNetControl, .pairs = 3}, .pairs = 3});
  ASSERT_EQ(bench.driver.UsePairs(3), 0);
  const SavedMmio saved = bench.rig.Save();
  const NetState state =
      snapshot::FromTree<NetState>(snapshot::ToTree(bench.device->Save()), 1).value();
  for (const bool refuses : {false, true}) {
    auto backend = std::make_unique<FakeNetBackend>(uint16_t{3});
    FakeNetBackend& used = *backend;
    used.fail_use_pairs = refuses;
    const auto device = *NetDevice::Create(
        std::move(backend), {.interface_id = "eth0", .address = kAddress, .state = state});
    FakeInterruptLine line;
    const auto copy = *MmioTransport::Create(*device, bench.rig.ram.memory(), line);
    const Status restored = copy->Restore(saved);
    EXPECT_EQ(restored.has_value(), !refuses);
    EXPECT_EQ(used.used_pairs, refuses ? 1 : 3);
  }
}

TEST(NetStateTest, TellsADriverWhoseLinkWasDownThatItIsUp) {
  NetBench bench;
  bench.backend.TakeLinkDown();
  bench.driver.Send(FrameOf(60));
  ASSERT_FALSE(bench.device->Save().link_up);
  const SavedMmio saved = bench.rig.Save();
  const auto device = *NetDevice::Create(
      std::make_unique<FakeNetBackend>(),
      {.interface_id = "eth0", .address = kAddress, .state = bench.device->Save()});
  FakeInterruptLine line;
  const auto copy = *MmioTransport::Create(*device, bench.rig.ram.memory(), line);
  ASSERT_TRUE(copy->Restore(saved));
  EXPECT_NE(copy->state().config_generation(), saved.device.config_generation);
}

}  // namespace
}  // namespace ember::virtio::testing
