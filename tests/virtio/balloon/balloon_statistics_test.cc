#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "tests/virtio/balloon/balloon_bench.h"

namespace ember::virtio::testing {
namespace {

constexpr size_t kStatsQueue = 2;
constexpr auto kAtOnce = std::chrono::nanoseconds(1);

using Entries = std::vector<std::pair<uint16_t, uint64_t>>;

std::vector<std::byte> Encode(const Entries& entries) {
  std::vector<std::byte> bytes;
  for (const auto& [tag, value] : entries) {
    const size_t at = bytes.size();
    bytes.resize(at + 10);
    std::memcpy(bytes.data() + at, &tag, 2);
    std::memcpy(bytes.data() + at + 2, &value, 8);
  }
  return bytes;
}

class BalloonStatisticsTest : public ::testing::Test {
 protected:
  Segment Buffer(const Entries& entries) {
    const std::vector<std::byte> bytes = Encode(entries);
    const GuestAddress at = bench.rig.ram.Allocate(bytes.size());
    std::ranges::copy(bytes, bench.rig.ram.Bytes(at, bytes.size()).begin());
    return {at, static_cast<uint32_t>(bytes.size()), false};
  }
  void Send(const Entries& entries) { bench.Send(kStatsQueue, {Buffer(entries)}); }
  std::optional<uint64_t> Value(BalloonStatistic tag) {
    return bench.device->statistics().value().value(tag);
  }
  uint16_t Returned() { return bench.rings[kStatsQueue].used_index(); }
  // Has the device ask for statistics; alternates between two intervals.
  void Ask() {
    seconds = seconds == 60 ? 61 : 60;
    ASSERT_TRUE(bench.device->SetStatisticsInterval(std::chrono::seconds(seconds)));
  }

  BalloonBench bench;
  int seconds = 60;
};

TEST_F(BalloonStatisticsTest, AreWhatTheDriverSaysUnderEachTag) {
  Entries entries;
  for (uint16_t tag = 0; tag < 16; ++tag) entries.emplace_back(tag, 1000U + tag);
  Send(entries);
  for (uint16_t tag = 0; tag < 16; ++tag) {
    EXPECT_EQ(Value(static_cast<BalloonStatistic>(tag)), 1000U + tag);
  }
  EXPECT_EQ(Value(BalloonStatistic::kDirectReclaim), 1015U);
  EXPECT_EQ(bench.metrics().stats_updates_count.value(), 1U);
  EXPECT_EQ(bench.metrics().stats_update_fails.value(), 0U);
}

TEST_F(BalloonStatisticsTest, AreNotThereUntilTheDriverSaysThem) {
  EXPECT_EQ(Value(BalloonStatistic::kSwapIn), std::nullopt);
  Send({{4, 7}});
  EXPECT_EQ(Value(BalloonStatistic::kSwapIn), std::nullopt);
  EXPECT_EQ(Value(BalloonStatistic::kFreeMemory), 7U);
}

TEST_F(BalloonStatisticsTest, KeepOldValuesOfWhatIsNotSaid) {
  Send({{4, 7}, {5, 8}});
  Ask();
  Send({{5, 9}});
  EXPECT_EQ(Value(BalloonStatistic::kFreeMemory), 7U);
  EXPECT_EQ(Value(BalloonStatistic::kTotalMemory), 9U);
}

TEST_F(BalloonStatisticsTest, PassOverTagsThatAreNotKnown) {
  Send({{16, 1}, {0xffff, 2}, {5, 3}});
  EXPECT_EQ(Value(BalloonStatistic::kTotalMemory), 3U);
}

TEST_F(BalloonStatisticsTest, StayWithTheDeviceUntilItAsks) {
  Send({{4, 7}});
  EXPECT_EQ(Returned(), 0);
  Ask();
  EXPECT_EQ(Returned(), 1);
  EXPECT_EQ(bench.rings[kStatsQueue].TakeUsed()->len, 0U);
  EXPECT_EQ(bench.rig.line.count(), 1);
}

TEST_F(BalloonStatisticsTest, AreNotAskedForWithTheIntervalThatIsSet) {
  Send({{4, 7}});
  ASSERT_TRUE(bench.device->SetStatisticsInterval(std::chrono::hours(1)));
  EXPECT_EQ(Returned(), 0);
}

TEST_F(BalloonStatisticsTest, MayBeAskedForWhileTheDriverHasTheBuffer) {
  Ask();
  EXPECT_EQ(Returned(), 0);
  Send({{4, 7}});
  EXPECT_EQ(Value(BalloonStatistic::kFreeMemory), 7U);
}

TEST_F(BalloonStatisticsTest, AreReadOneBufferAtATimeHoweverManyTheDriverSends) {
  for (uint64_t i = 1; i <= 5; ++i) bench.rings[kStatsQueue].Add({Buffer({{4, i}})});
  bench.Kick(kStatsQueue);
  for (uint64_t i = 1; i <= 5; ++i) {
    EXPECT_EQ(Value(BalloonStatistic::kFreeMemory), i);
    EXPECT_EQ(Returned(), i - 1);
    Ask();
  }
  EXPECT_EQ(Returned(), 5);
}

// Elsewhere a buffer as long as the guest liked stalled the event loop: here what is read does not
// depend on its length.
TEST_F(BalloonStatisticsTest, TakeNoLongerForABufferOfAnyLength) {
  const uint64_t longest = GuestRam::kLow.size_bytes - ToInteger(kField);
  for (uint64_t len = 1; len <= longest; len = len * 2 + 1) {
    bench.Start(bench.rig.driver.DeviceFeatures());
    std::memset(bench.rig.ram.Bytes(kField, kFieldBytes).data(), 0, kFieldBytes);
    const auto entry = Encode({{4, len}});
    const uint64_t last_read = (BalloonDevice::kMaxStatistics - 1) * 10;
    std::ranges::copy(entry, bench.rig.ram.Bytes(kField + last_read, 10).begin());
    std::ranges::copy(Encode({{5, 99}}),
                      bench.rig.ram.Bytes(kField + (last_read + 10), 10).begin());
    const uint64_t fails = bench.metrics().stats_update_fails.value();
    // The same bytes many times over: a chain of up to 4 GiB costs a driver nothing.
    std::vector<Segment> chain(32, {kField, static_cast<uint32_t>(len), false});
    if (len < 640) chain.resize(1);
    bench.rings[kStatsQueue].Add(chain);
    // Of processor time: how long it takes by the wall is the host's affair.
    const auto start = ProcessCpuClock().Now();
    bench.Kick(kStatsQueue);
    EXPECT_LT(ProcessCpuClock().Now() - start, std::chrono::milliseconds(100)) << len;
    const bool whole = chain.size() == 1 && len % 10 == 0;
    EXPECT_EQ(bench.metrics().stats_update_fails.value() - fails, whole ? 0U : 1U) << len;
    EXPECT_EQ(Value(BalloonStatistic::kTotalMemory), std::nullopt);
    if (len > 640) {
      EXPECT_EQ(Value(BalloonStatistic::kFreeMemory), len);
    }
    Ask();
    EXPECT_EQ(Returned(), 1);
  }
}

TEST_F(BalloonStatisticsTest, EndWithTheDriver) {
  Send({{4, 7}});
  bench.rig.driver.Write(reg::kStatus, 0);
  EXPECT_EQ(Returned(), 0);
  EXPECT_EQ(Value(BalloonStatistic::kFreeMemory), 7U) << "what was last said stays";
  bench.Start(bench.rig.driver.DeviceFeatures());
  Send({{4, 8}});
  EXPECT_EQ(Value(BalloonStatistic::kFreeMemory), 8U);
}

TEST(BalloonTimerTest, AsksAgainAndAgain) {
  BalloonBench bench({.statistics_interval = kAtOnce});
  for (int i = 0; i < 3; ++i) {
    bench.rings[kStatsQueue].Add({Segment{bench.rig.ram.Allocate(10), 10, false}});
    bench.rings[kStatsQueue].Publish();
    bench.rig.driver.Notify(kStatsQueue);
    while (!bench.rings[kStatsQueue].TakeUsed()) ASSERT_TRUE(bench.rig.PumpOnce());
  }
  EXPECT_GE(bench.metrics().stats_updates_count.value(), 3U);
}

TEST(BalloonTimerTest, IsSilentWithoutADriver) {
  BalloonBench bench({.statistics_interval = kAtOnce});
  bench.rig.driver.Write(reg::kStatus, 0);
  bench.rig.Pump();
  EXPECT_FALSE(bench.rig.PumpOnce());
}

TEST(BalloonTimerTest, IsSilentWhereTheDriverDeclinedStatistics) {
  BalloonBench bench({.statistics_interval = kAtOnce});
  bench.Start(0);
  bench.rig.Pump();
  EXPECT_FALSE(bench.rig.PumpOnce());
}

TEST(BalloonTimerTest, IsSilentWhileTheDeviceNeedsAReset) {
  BalloonBench bench({.statistics_interval = kAtOnce});
  bench.rings[0].SetAvailableIndex(1000);
  bench.rig.driver.Notify(0);
  while (!bench.needs_reset()) bench.rig.PumpOnce();
  bench.rig.Pump();
  EXPECT_EQ(bench.rings[kStatsQueue].used_index(), 0);
}

TEST_F(BalloonStatisticsTest, ArePutBackToRestAndFoundAgain) {
  Send({{4, 100}});
  EXPECT_EQ(bench.rig.Save().device.queues[kStatsQueue].position, 0);
  bench.rig.Pump();
  Ask();
  EXPECT_EQ(Returned(), 1);
  EXPECT_EQ(bench.rig.Save().device.queues[kStatsQueue].position, 1);
}

TEST_F(BalloonStatisticsTest, AreInASnapshot) {
  Send({{4, 100}, {9, 7}});
  BalloonDevice::Options options = AllFeatures();
  options.state = bench.device->Save();
  const auto copy = *BalloonDevice::Create(options);
  const BalloonStatistics statistics = copy->statistics().value();
  EXPECT_EQ(statistics.value(BalloonStatistic::kFreeMemory), 100U);
  EXPECT_EQ(statistics.value(BalloonStatistic::kHugetlbFailures), 7U);
  EXPECT_EQ(statistics.value(BalloonStatistic::kTotalMemory), std::nullopt);
}

}  // namespace
}  // namespace ember::virtio::testing
