// What clients ask of a balloon while its guest runs.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/virtio/balloon/balloon_bench.h"

namespace ember::virtio::testing {
namespace {

constexpr uint64_t kMemoryPages = (GuestRam::kLow.size_bytes + GuestRam::kHigh.size_bytes) / kPage;
constexpr char kInactive[] =
    "Device is inactive, check if balloon driver is enabled in guest kernel.";

TEST(BalloonTargetTest, ShowsTheDriverANewConfiguration) {
  BalloonBench bench;
  const uint32_t generation = bench.rig.driver.Read(reg::kConfigGeneration);
  const int interrupts = bench.rig.line.count();
  ASSERT_TRUE(bench.device->SetTarget(300));
  EXPECT_EQ(bench.rig.driver.Read(kNumPagesOffset), 300U);
  EXPECT_EQ(bench.device->target_pages(), 300U);
  EXPECT_NE(bench.rig.driver.Read(reg::kConfigGeneration), generation);
  EXPECT_EQ(bench.rig.line.count(), interrupts + 1);
  EXPECT_EQ(bench.rig.driver.Read(reg::kInterruptStatus) & 2, 2U);
}

TEST(BalloonTargetTest, NeedsADriver) {
  const auto device = *BalloonDevice::Create({.target_pages = 1});
  EXPECT_EQ(device->SetTarget(0).error().message(), kInactive);
  EXPECT_EQ(device->target_pages(), 1U);
}

TEST(BalloonTargetTest, MayBeAllOfMemoryAndNotAPageMore) {
  BalloonBench bench;
  EXPECT_TRUE(bench.device->SetTarget(kMemoryPages));
  EXPECT_FALSE(bench.device->SetTarget(kMemoryPages + 1));
  EXPECT_EQ(bench.device->target_pages(), kMemoryPages);
}

// MiB to pages or bytes must not wrap: every number beside a power of two is taken as what it is,
// or refused.
TEST(BalloonTargetTest, TakesNumbersBesidePowersOfTwoAsTheyAreOrNotAtAll) {
  BalloonBench bench;
  for (int bit = 0; bit < 64; ++bit) {
    for (const int64_t delta : {-1, 0, 1}) {
      const uint64_t pages = (uint64_t{1} << bit) + static_cast<uint64_t>(delta);
      ASSERT_TRUE(bench.device->SetTarget(5));
      const bool taken = bench.device->SetTarget(pages).has_value();
      EXPECT_EQ(taken, pages <= kMemoryPages) << pages;
      EXPECT_EQ(bench.rig.driver.Read(kNumPagesOffset), taken ? pages : 5U);
      EXPECT_EQ(BalloonDevice::Create({.target_pages = pages}).has_value(), pages <= UINT32_MAX);
    }
  }
}

TEST(BalloonTargetTest, OutlivesADriver) {
  BalloonBench bench;
  ASSERT_TRUE(bench.device->SetTarget(7));
  bench.rig.driver.Write(reg::kStatus, 0);
  EXPECT_EQ(bench.rig.driver.Read(kNumPagesOffset), 7U);
}

TEST(BalloonStatisticsClientTest, CannotTurnStatisticsOnOrOff) {
  BalloonBench without(BalloonDevice::Options{});
  const std::string text = "Cannot enable/disable the statistics after boot.";
  EXPECT_EQ(without.device->SetStatisticsInterval(std::chrono::seconds(1)).error().message(), text);
  EXPECT_TRUE(without.device->SetStatisticsInterval(std::chrono::seconds(0)));
  EXPECT_EQ(without.device->statistics().error().message(),
            "Statistics for the balloon device are not enabled");
  BalloonBench with;
  EXPECT_EQ(with.device->SetStatisticsInterval(std::chrono::seconds(0)).error().message(), text);
  EXPECT_EQ(with.device->statistics_interval(), std::chrono::hours(1));
}

TEST(BalloonStatisticsClientTest, NeedsADriverForANewInterval) {
  const auto device = *BalloonDevice::Create(AllFeatures());
  EXPECT_EQ(device->SetStatisticsInterval(std::chrono::seconds(1)).error().message(), kInactive);
  EXPECT_TRUE(device->SetStatisticsInterval(std::chrono::hours(1)));
  EXPECT_TRUE(device->statistics());
}

TEST(BalloonHintingClientTest, IsRefusedWhereItIsNotEnabled) {
  BalloonBench bench(BalloonDevice::Options{});
  EXPECT_FALSE(bench.device->StartHinting(Hinting::OnStop::kAcknowledge));
  EXPECT_FALSE(bench.device->StopHinting());
  EXPECT_FALSE(bench.device->hinting());
}

TEST(BalloonHintingClientTest, NeedsADriver) {
  const auto device = *BalloonDevice::Create(AllFeatures());
  EXPECT_EQ(device->StartHinting(Hinting::OnStop::kWait).error().message(), kInactive);
  EXPECT_EQ(device->StopHinting().error().message(), kInactive);
  EXPECT_EQ(device->hinting().value().host_command(), 0U);
}

}  // namespace
}  // namespace ember::virtio::testing
