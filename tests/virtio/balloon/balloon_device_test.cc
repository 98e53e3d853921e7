#include "virtio/balloon/balloon_device.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <numeric>
#include <string>
#include <vector>

#include "snapshot/fields.h"
#include "tests/virtio/balloon/balloon_bench.h"

namespace ember::virtio::testing {
namespace {

std::vector<uint32_t> Frames(uint32_t first, uint32_t count, uint32_t step = 1) {
  std::vector<uint32_t> frames;
  for (uint32_t i = 0; i < count; ++i) frames.push_back(first + i * step);
  return frames;
}

TEST(BalloonDeviceTest, OffersWhatItIsTold) {
  const auto offered = [](const BalloonDevice::Options& options) {
    return (*BalloonDevice::Create(options))->offered_features().bits();
  };
  EXPECT_EQ(offered({}), 0U);
  EXPECT_EQ(offered({.deflate_on_oom = true}), kDeflateOnOomFeature);
  EXPECT_EQ(offered({.statistics_interval = std::chrono::seconds(1)}), kStatisticsFeature);
  EXPECT_EQ(offered({.free_page_hinting = true}), kHintingFeature);
  EXPECT_EQ(offered({.free_page_reporting = true}), kReportingFeature);
}

TEST(BalloonDeviceTest, HasAsManyQueuesAsItsFeaturesNeed) {
  const auto queues = [](const BalloonDevice::Options& options) {
    return (*BalloonDevice::Create(options))->max_queue_sizes().size();
  };
  EXPECT_EQ(queues({}), 2U);
  EXPECT_EQ(queues({.deflate_on_oom = true}), 2U);
  EXPECT_EQ(queues({.free_page_reporting = true}), 3U);
  EXPECT_EQ(queues(AllFeatures()), 5U);
}

TEST(BalloonDeviceTest, TellsItsTargetInItsConfiguration) {
  BalloonBench bench({.target_pages = 512});
  EXPECT_EQ(bench.rig.driver.Read(reg::kDeviceId), 5U);
  EXPECT_EQ(bench.rig.driver.Read(kNumPagesOffset), 512U);
  EXPECT_EQ(bench.rig.driver.Read(kActualOffset), 0U);
  EXPECT_EQ(bench.rig.driver.Read(kHintCommandOffset), 0U);
}

TEST(BalloonDeviceTest, TakesFromTheDriverOnlyHowManyPagesItGaveUp) {
  BalloonBench bench({.target_pages = 512});
  for (uint64_t offset = 0; offset < 32; offset += 4) {
    bench.rig.driver.Write(reg::kConfig + offset, 77);
  }
  EXPECT_EQ(bench.rig.driver.Read(kNumPagesOffset), 512U);
  EXPECT_EQ(bench.rig.driver.Read(kActualOffset), 77U);
  EXPECT_EQ(bench.rig.driver.Read(kHintCommandOffset), 0U);
  EXPECT_EQ(bench.device->actual_pages(), 77U);
  EXPECT_EQ(bench.metrics().event_fails.value(), 7U);
}

TEST(BalloonDeviceTest, NeedsItsInflateQueue) {
  const auto device = *BalloonDevice::Create({});
  Rig rig(*device);
  const DriverRing ring(rig.ram, 16);
  rig.driver.Negotiate(kVersion1Feature);
  rig.driver.EnableQueue(1, ring.place());
  rig.driver.AddStatus(kDriverOk);
  EXPECT_NE(rig.driver.status() & kNeedsReset, 0U);
  EXPECT_EQ(device->metrics().activate_fails.value(), 1U);
}

TEST(BalloonInflateTest, GivesThePagesToTheHost) {
  BalloonBench bench;
  bench.Fill(kField, kFieldBytes);
  ASSERT_EQ(bench.Resident(kField, kFieldBytes), 1024U);
  bench.Inflate(Frames(kFieldFrame, 256));
  EXPECT_EQ(bench.Resident(kField, kFieldBytes), 768U);
  bench.Inflate(Frames(kFieldFrame + 256, 256, 2));
  EXPECT_EQ(bench.Resident(kField, kFieldBytes), 512U);
  EXPECT_EQ(bench.rings[0].used_index(), 2);
  EXPECT_EQ(bench.metrics().inflate_count.value(), 2U);
  EXPECT_EQ(bench.metrics().event_fails.value(), 0U);
}

TEST(BalloonInflateTest, LeavesPagesThatTheGuestMayUseAgain) {
  BalloonBench bench;
  bench.Fill(kField, kFieldBytes);
  bench.Inflate({kFieldFrame + 1});
  bench.Deflate({kFieldFrame + 1});
  EXPECT_EQ(bench.rings[1].used_index(), 1);
  EXPECT_EQ(bench.metrics().deflate_count.value(), 1U);
  const std::span<std::byte> page = bench.rig.ram.Bytes(kField + kPage, kPage);
  EXPECT_TRUE(std::ranges::all_of(page, [](std::byte byte) { return byte == std::byte{0}; }));
  page[0] = std::byte{1};
  EXPECT_EQ(bench.rig.ram.Bytes(kField, 1)[0], BalloonBench::kFill);
  EXPECT_EQ(bench.rig.ram.Bytes(kField + 2 * kPage, 1)[0], BalloonBench::kFill);
}

TEST(BalloonInflateTest, ReachesTheRegionAboveTheHole) {
  BalloonBench bench;
  bench.Fill(GuestRam::kHigh.start, GuestRam::kHigh.size_bytes);
  const auto first = static_cast<uint32_t>(ToInteger(GuestRam::kHigh.start) / kPage);
  bench.Inflate(Frames(first, 256));
  EXPECT_EQ(bench.Resident(GuestRam::kHigh.start, GuestRam::kHigh.size_bytes), 0U);
}

TEST(BalloonInflateTest, TakesNumbersSplitOverBuffersInAnyWay) {
  BalloonBench bench;
  bench.Fill(kField, kFieldBytes);
  const Segment all = bench.Frames(Frames(kFieldFrame, 64));
  bench.Send(0, {{all.at, 1, false}, {all.at + 1, 6, false}, {all.at + 7, all.len - 7, false}});
  EXPECT_EQ(bench.Resident(kField, kFieldBytes), 960U);
  EXPECT_EQ(bench.metrics().event_fails.value(), 0U);
}

TEST(BalloonInflateTest, InterruptsOnceForABurst) {
  BalloonBench bench;
  for (uint32_t i = 0; i < 20; ++i) bench.rings[0].Add({bench.Frames({kFieldFrame + i})});
  bench.Kick(0);
  EXPECT_EQ(bench.rings[0].used_index(), 20);
  EXPECT_EQ(bench.rig.line.count(), 1);
}

TEST(BalloonInflateTest, MarksThePagesThatReadDifferentlyNow) {
  BalloonBench bench(AllFeatures(), /*track_dirty_pages=*/true);
  DirtyPages& dirty = *bench.rig.ram.memory().dirty_pages();
  dirty.Take(0);
  bench.Inflate({kFieldFrame});
  EXPECT_EQ(dirty.Take(0)[kFieldFrame / 64], 1U);
}

TEST(BalloonReportingTest, GivesReportedRangesToTheHost) {
  BalloonBench bench;
  bench.Fill(kField, kFieldBytes);
  const auto half = static_cast<uint32_t>(kFieldBytes / 2);
  bench.Send(4, {{kField, 64 * kPage, true}, {kField + half, half, true}});
  EXPECT_EQ(bench.Resident(kField, kFieldBytes), 1024U - 64 - 512);
  EXPECT_EQ(bench.rings[4].TakeUsed()->len, 0U);
  EXPECT_EQ(bench.metrics().free_page_report_count.value(), 2U);
  EXPECT_EQ(bench.metrics().free_page_report_freed.value(), 64 * kPage + half);
  EXPECT_EQ(bench.metrics().free_page_report_fails.value(), 0U);
}

TEST(BalloonReportingTest, GivesOnlyWholePages) {
  BalloonBench bench;
  bench.Fill(kField, kFieldBytes);
  bench.Send(4, {{kField + 1, 2 * kPage, true}, {kField + 8 * kPage, kPage - 1, true}});
  EXPECT_EQ(bench.Resident(kField, kFieldBytes), 1023U);
  EXPECT_EQ(bench.rig.ram.Bytes(kField + 2 * kPage, 1)[0], BalloonBench::kFill);
  EXPECT_EQ(bench.metrics().free_page_report_fails.value(), 1U);
}

// Drivers count only the queues whose features they negotiated.
TEST(BalloonQueuesTest, AreCountedWithoutThoseTheDriverDeclined) {
  BalloonBench bench;
  bench.Start(kReportingFeature);
  bench.Fill(kField, kFieldBytes);
  bench.Send(2, {{kField, 64 * kPage, true}});
  EXPECT_EQ(bench.Resident(kField, kFieldBytes), 960U);
  EXPECT_EQ(bench.metrics().stats_updates_count.value(), 0U);
}

TEST(BalloonResetTest, ForgetsWhatTheDriverHad) {
  BalloonBench bench;
  bench.rig.driver.Write(kActualOffset, 100);
  bench.rig.driver.Write(reg::kStatus, 0);
  EXPECT_EQ(bench.device->actual_pages(), 0U);
  bench.Start(bench.rig.driver.DeviceFeatures());
  EXPECT_EQ(bench.rig.driver.Read(kActualOffset), 0U);
}

// By way of its form in a file.
BalloonState Copy(const BalloonState& state) {
  return snapshot::FromTree<BalloonState>(snapshot::ToTree(state), 1).value();
}

TEST(BalloonStateTest, IsWhatClientAndDriverHaveSaid) {
  BalloonBench bench;
  ASSERT_TRUE(bench.device->SetTarget(512));
  bench.rig.driver.WriteWide(kActualOffset, 100, 4);
  ASSERT_TRUE(bench.device->SetStatisticsInterval(std::chrono::seconds(7)));
  ASSERT_TRUE(bench.device->StartHinting(Hinting::OnStop::kWait));

  BalloonDevice::Options options = AllFeatures();
  options.state = Copy(bench.device->Save());
  const auto copy = *BalloonDevice::Create(options);
  EXPECT_EQ(copy->target_pages(), 512U);
  EXPECT_EQ(copy->actual_pages(), 100U);
  EXPECT_EQ(copy->statistics_interval(), std::chrono::seconds(7));
  EXPECT_EQ(copy->hinting()->host_command(), bench.device->hinting()->host_command());
  std::array<std::byte, 12> config{}, copied{};
  bench.device->ReadConfig(0, config);
  copy->ReadConfig(0, copied);
  EXPECT_EQ(copied, config);
}

TEST(BalloonStateTest, MustBeOneThatABalloonCanHave) {
  const auto error_of = [](const BalloonState& state) {
    BalloonDevice::Options options = AllFeatures();
    options.state = state;
    const auto device = BalloonDevice::Create(options);
    return device ? std::string("none") : device.error().message();
  };
  const BalloonState good = (*BalloonDevice::Create(AllFeatures()))->Save();
  EXPECT_EQ(error_of(good), "none");
  BalloonState bad = good;
  bad.statistics = {{.tag = 16, .value = 1}};
  EXPECT_EQ(error_of(bad), "balloon: no statistic has the tag 16");
  bad = good;
  bad.statistics_interval_ns = 0;
  EXPECT_EQ(error_of(bad), "balloon: an interval of 0 ns does not go with its configuration");
  bad = good;
  bad.hinting.last_id = 0;
  EXPECT_EQ(error_of(bad), "balloon: no run has the id 0");
}

}  // namespace
}  // namespace ember::virtio::testing
