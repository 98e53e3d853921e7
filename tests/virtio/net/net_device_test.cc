// What the device says of itself, the control queue, breaches, resets and the link (shared/
// virtio.md, 10 to 14).
#include "virtio/net/net_device.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "tests/virtio/net/net_bench.h"

namespace ember::virtio::testing {
namespace {

constexpr uint64_t kAllOffloadBits = FakeNetBackend::kAllOffloads.bits();
constexpr uint64_t kRing = kVersion1Feature | kIndirectFeature | kEventIndexFeature64;
constexpr uint64_t kAlways = kRing | kNetMergeable | kNetStatus;

NetBench::Options ThreePairs(uint16_t set_up = 3) {
  return {.driver = {.features = kNetMultiQueue | kNetControl, .pairs = set_up}, .pairs = 3};
}

TEST(NetDeviceTest, OffersWhatItsBackEndAndItsOptionsAllow) {
  const auto offered = [](const NetBench::Options& options) {
    return NetBench(options).rig.driver.DeviceFeatures();
  };
  EXPECT_EQ(offered({}), kAlways | kAllOffloadBits | kNetMac);
  EXPECT_EQ(offered({.offloads = {}, .device = {.interface_id = "eth0"}}), kAlways);
  EXPECT_EQ(offered({.offloads = {}, .device = {.interface_id = "eth0", .mtu = 9000}}),
            kAlways | kNetMtu);
  EXPECT_EQ(offered({.pairs = 2, .offloads = {}, .device = {.interface_id = "eth0"}}),
            kAlways | kNetMultiQueue | kNetControl);
}

TEST(NetDeviceTest, TellsAddressLinkPairsAndMtuInItsConfiguration) {
  NetBench bench(
      {.pairs = 3, .device = {.interface_id = "eth0", .address = kAddress, .mtu = 9000}});
  const MmioDriver& driver = bench.rig.driver;
  EXPECT_EQ(driver.Read(reg::kDeviceId), 1U);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(driver.ReadWide(reg::kConfig + i, 1), kAddress.octets[i]);
  }
  EXPECT_EQ(driver.ReadWide(reg::kConfig + 6, 2), 1U);
  EXPECT_EQ(driver.ReadWide(reg::kConfig + 8, 2), 3U);
  EXPECT_EQ(driver.ReadWide(reg::kConfig + 10, 2), 9000U);
  EXPECT_EQ(driver.ReadWide(reg::kConfig + 12, 8), 0U);
}

TEST(NetDeviceTest, HasAReadOnlyConfiguration) {
  NetBench bench;
  bench.rig.driver.WriteWide(reg::kConfig, 0, 4);
  EXPECT_EQ(bench.rig.driver.ReadWide(reg::kConfig, 1), kAddress.octets[0]);
  EXPECT_EQ(bench.metrics().cfg_fails.value(), 1U);
}

TEST(NetDeviceTest, StartsItsBackEndWithWhatWasNegotiated) {
  NetBench bench({.driver = {.features = kNetGuestCsum | kNetMergeable}});
  EXPECT_EQ(bench.backend.started_with.bits(), kVersion1Feature | kNetGuestCsum | kNetMergeable);
}

TEST(NetDeviceTest, AsksForAResetWhereItsBackEndCannotStart) {
  NetBench bench;
  bench.rig.driver.Write(reg::kStatus, 0);
  bench.backend.fail_start = true;
  const NetDriver driver(bench.rig, {});
  EXPECT_TRUE(driver.needs_reset());
  EXPECT_EQ(bench.metrics().activate_fails.value(), 1U);
}

TEST(NetControlTest, ChangesThePairsInUse) {
  NetBench bench(ThreePairs());
  EXPECT_EQ(bench.driver.UsePairs(3), 0);
  EXPECT_EQ(bench.backend.used_pairs, 3);
  for (uint16_t pair = 0; pair < 3; ++pair) {
    bench.driver.Put({}, FrameOf(60, pair), {}, pair);
    bench.driver.KickTransmit(pair);
    bench.driver.Offer(1, 1530, UINT32_MAX, pair);
    bench.driver.KickReceive(pair);
    bench.backend.Put({.bytes = FrameOf(70, pair)}, pair);
    bench.rig.Pump();
    EXPECT_EQ(bench.backend.Take(pair)->bytes, FrameOf(60, pair));
    EXPECT_EQ(bench.driver.Take(pair)->frame, FrameOf(70, pair));
  }
  EXPECT_EQ(bench.driver.UsePairs(1), 0);
  EXPECT_EQ(bench.backend.used_pairs, 1);
}

TEST(NetControlTest, ServesBuffersThatWereThereBeforeThePairWasInUse) {
  NetBench bench(ThreePairs());
  bench.driver.Offer(1, 1530, UINT32_MAX, 2);
  bench.driver.KickReceive(2);
  bench.driver.Put({}, FrameOf(60), {}, 2);
  bench.driver.KickTransmit(2);
  bench.backend.Put({.bytes = FrameOf(70)}, 2);
  bench.rig.Pump();
  EXPECT_FALSE(bench.driver.Take(2));
  EXPECT_FALSE(bench.backend.Take(2));
  EXPECT_EQ(bench.driver.UsePairs(3), 0);
  EXPECT_EQ(bench.driver.Take(2)->frame, FrameOf(70));
  EXPECT_TRUE(bench.backend.Take(2));
}

TEST(NetControlTest, TouchesNoPairThatIsNoLongerInUse) {
  NetBench bench(ThreePairs());
  bench.driver.UsePairs(3);
  bench.driver.Offer(4, 1530, UINT32_MAX, 2);
  bench.driver.KickReceive(2);
  bench.rig.Pump();
  bench.driver.UsePairs(2);
  bench.backend.Put({.bytes = FrameOf(70)}, 2);
  bench.rig.Pump();
  EXPECT_FALSE(bench.driver.Take(2));
  EXPECT_EQ(bench.driver.UsePairs(3), 0);
  EXPECT_EQ(bench.driver.Take(2)->frame, FrameOf(70));
}

TEST(NetControlTest, RefusesNumbersOfPairsThatItHasNot) {
  NetBench bench(ThreePairs());
  EXPECT_EQ(bench.driver.UsePairs(0), 1);
  EXPECT_EQ(bench.driver.UsePairs(4), 1);
  EXPECT_EQ(bench.driver.UsePairs(0xffff), 1);
  bench.backend.fail_use_pairs = true;
  EXPECT_EQ(bench.driver.UsePairs(2), 1);
  EXPECT_FALSE(bench.needs_reset());
}

TEST(NetControlTest, AnswersAllElseWithAnError) {
  NetBench bench(ThreePairs());
  for (int first = 0; first < 8; ++first) {
    for (int second = 0; second < 4; ++second) {
      if (first == 4 && second == 0) continue;
      const std::array command{static_cast<std::byte>(first), static_cast<std::byte>(second),
                               std::byte{1}, std::byte{0}};
      EXPECT_EQ(bench.driver.Command(command), 1);
    }
  }
  EXPECT_EQ(bench.driver.Command(std::array{std::byte{4}, std::byte{0}}), 1);
  EXPECT_EQ(bench.driver.Command(std::array{std::byte{4}, std::byte{0}, std::byte{1}}), 1);
  EXPECT_FALSE(bench.needs_reset());
}

TEST(NetControlTest, MeetsACommandWithoutHeaderWithNeedsReset) {
  NetBench bench(ThreePairs());
  EXPECT_EQ(bench.driver.Command(std::array{std::byte{4}}), 0xee);
  EXPECT_TRUE(bench.needs_reset());
}

TEST(NetControlTest, IsTheThirdQueueWhereThereIsOnePairOnly) {
  NetBench bench({.driver = {.features = kNetControl}, .pairs = 3});
  EXPECT_EQ(bench.driver.UsePairs(1), 0);
  EXPECT_EQ(bench.driver.UsePairs(2), 1);
}

TEST(NetControlTest, MeetsABreachOnAUsedPairWithNeedsReset) {
  for (const bool receive : {false, true}) {
    NetBench bench(ThreePairs());
    bench.driver.UsePairs(3);
    DriverRing& ring = receive ? bench.driver.receive_ring(2) : bench.driver.transmit_ring(2);
    ring.SetAvailableIndex(1000);
    bench.rig.driver.Notify(receive ? 4 : 5);
    bench.rig.Pump();
    EXPECT_TRUE(bench.needs_reset());
    EXPECT_FALSE(bench.rig.PumpOnce());
  }
}

TEST(NetBreachTest, SilencesTheBackEndUntilReset) {
  NetBench bench;
  bench.driver.Offer(2, 1530);
  bench.driver.KickReceive();
  bench.rig.Pump();
  bench.driver.transmit_ring().SetAvailableIndex(1000);
  bench.rig.driver.Notify(1);
  bench.rig.Pump();
  EXPECT_TRUE(bench.needs_reset());
  const uint16_t used = bench.driver.receive_ring().used_index();
  bench.backend.Put({.bytes = FrameOf(60)});
  EXPECT_FALSE(bench.rig.PumpOnce());
  EXPECT_EQ(bench.driver.receive_ring().used_index(), used);

  bench.rig.driver.Write(reg::kStatus, 0);
  NetDriver again(bench.rig, {});
  again.Offer(1, 1530);
  again.KickReceive();
  bench.rig.Pump();
  EXPECT_EQ(again.Take()->frame, FrameOf(60));
}

// At every moment of traffic: with frames held, waiting for room, and for the limiter.
TEST(NetResetTest, DropsWhatIsUnderWayAndWorksAgain) {
  NetBench bench({.driver = {.features = kNetMergeable}});
  bench.driver.Offer(2, 1530);
  bench.driver.KickReceive();
  bench.backend.Put({.bytes = FrameOf(9000)});
  bench.rig.Pump();
  bench.backend.send_outcomes = {SendOutcome::kFull};
  bench.driver.Put({}, FrameOf(1514));
  bench.driver.KickTransmit();
  bench.rig.PumpOnce();
  const uint16_t used = bench.driver.receive_ring().used_index();

  bench.rig.driver.Write(reg::kStatus, 0);
  bench.backend.Put({.bytes = FrameOf(100)});
  bench.rig.Pump();
  EXPECT_FALSE(bench.rig.PumpOnce());
  EXPECT_EQ(bench.driver.receive_ring().used_index(), used);

  NetDriver again(bench.rig, {});
  again.Offer(2, 1530);
  again.KickReceive();
  again.Send(FrameOf(61));
  EXPECT_EQ(again.Take()->frame, FrameOf(100));
  while (const auto frame = bench.backend.Take()) {
    if (frame->bytes == FrameOf(61)) return;
  }
  ADD_FAILURE() << "nothing was sent after the reset";
}

TEST(NetLinkTest, TellsTheDriverThatTheLinkIsDown) {
  NetBench bench;
  bench.driver.Offer(2, 1530);
  bench.driver.KickReceive();
  bench.rig.Pump();
  const int interrupts = bench.rig.line.count();
  const uint32_t generation = bench.rig.driver.Read(reg::kConfigGeneration);
  bench.backend.TakeLinkDown();
  bench.rig.Pump();
  EXPECT_EQ(bench.driver.link_status(), 0);
  EXPECT_EQ(bench.rig.line.count(), interrupts + 1);
  EXPECT_NE(bench.rig.driver.Read(reg::kConfigGeneration), generation);
  EXPECT_FALSE(bench.rig.PumpOnce());
}

TEST(NetLinkTest, DropsFramesWhileTheLinkIsDown) {
  NetBench bench;
  bench.rig.Pump();
  bench.backend.send_outcomes = {SendOutcome::kFull};
  bench.driver.Put({}, FrameOf(60));
  bench.driver.KickTransmit();
  bench.rig.PumpOnce();
  EXPECT_EQ(bench.driver.Reclaim(), 0U);
  bench.backend.TakeLinkDown();
  bench.rig.Pump();
  EXPECT_EQ(bench.driver.Reclaim(), 1U);
  for (int i = 0; i < 5; ++i) bench.driver.Send(FrameOf(60));
  EXPECT_EQ(bench.driver.Reclaim(), 5U);
  EXPECT_EQ(bench.metrics().tx_fails.value(), 6U);
  EXPECT_FALSE(bench.needs_reset());
}

TEST(NetLinkTest, StaysDownOverAReset) {
  NetBench bench;
  bench.backend.TakeLinkDown();
  bench.driver.Send(FrameOf(60));
  bench.rig.driver.Write(reg::kStatus, 0);
  NetDriver again(bench.rig, {});
  EXPECT_EQ(again.link_status(), 0);
  again.Offer(2, 1530);
  again.KickReceive();
  again.Send(FrameOf(60));
  EXPECT_EQ(again.Reclaim(), 1U);
  EXPECT_FALSE(bench.rig.PumpOnce());
}

}  // namespace
}  // namespace ember::virtio::testing
