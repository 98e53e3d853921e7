// Drivers that name any pages in any way, and as many as they can.
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <random>
#include <vector>

#include "base/clock.h"
#include "tests/virtio/balloon/balloon_bench.h"

namespace ember::virtio::testing {
namespace {

TEST(BalloonHostileTest, PagesOutsideRamAreCountedAndPassedOver) {
  BalloonBench bench;
  bench.Fill(kField, kFieldBytes);
  const auto low_end = static_cast<uint32_t>(GuestRam::kLow.size_bytes / kPage);
  const auto high = static_cast<uint32_t>(ToInteger(GuestRam::kHigh.start) / kPage);
  bench.Inflate({low_end, high - 1, high + 256, UINT32_MAX, UINT32_MAX - 1, kFieldFrame});
  EXPECT_EQ(bench.metrics().event_fails.value(), 5U);
  EXPECT_EQ(bench.Resident(kField, kFieldBytes), 1023U);
  EXPECT_FALSE(bench.needs_reset());
}

TEST(BalloonHostileTest, RunOverTheEndOfRamGivesWhatIsInside) {
  BalloonBench bench;
  const auto low_end = static_cast<uint32_t>(GuestRam::kLow.size_bytes / kPage);
  bench.Fill(kField, kFieldBytes);
  bench.Inflate({low_end - 2, low_end - 1, low_end, low_end + 1});
  EXPECT_EQ(bench.Resident(kField, kFieldBytes), 1022U);
  EXPECT_EQ(bench.metrics().event_fails.value(), 2U);
}

TEST(BalloonHostileTest, PartsOfNumbersAreCounted) {
  BalloonBench bench;
  const GuestAddress at = bench.rig.ram.Allocate(16);
  for (uint32_t len = 1; len <= 8; ++len) bench.Send(0, {{at, len, false}});
  EXPECT_EQ(bench.metrics().event_fails.value(), 6U);
  EXPECT_EQ(bench.rings[0].used_index(), 8);
}

TEST(BalloonHostileTest, BuffersTheWrongWayRoundComeBackAndAreCounted) {
  BalloonBench bench;
  const Segment readable = bench.Frames({kFieldFrame});
  const Segment writable{readable.at, readable.len, true};
  bench.Send(0, {writable});
  bench.Send(1, {writable});
  bench.Send(4, {readable});
  EXPECT_EQ(bench.metrics().event_fails.value(), 2U);
  for (const size_t queue : {0U, 1U, 4U}) EXPECT_EQ(bench.rings[queue].used_index(), 1);
}

TEST(BalloonHostileTest, EmptyRequestsComeBack) {
  BalloonBench bench;
  for (const size_t queue : {0U, 1U, 3U, 4U}) {
    bench.Send(queue, {{kField, 0, false}});
    EXPECT_EQ(bench.rings[queue].used_index(), 1) << queue;
  }
}

// The rings, the request itself, and all the rest.
TEST(BalloonHostileTest, GuestMayGiveAwayAllItsMemory) {
  BalloonBench bench;
  std::vector<uint32_t> frames;
  for (uint32_t frame = 0; frame < GuestRam::kLow.size_bytes / kPage; ++frame) {
    frames.push_back(frame);
  }
  bench.Inflate(frames);
  EXPECT_EQ(bench.metrics().event_fails.value(), 0U);
  bench.Start(bench.rig.driver.DeviceFeatures());
  bench.Inflate({kFieldFrame});
  EXPECT_EQ(bench.rings[0].used_index(), 1);
}

// One wake-up does a bounded amount, whatever the length of a request.
TEST(BalloonHostileTest, LongRequestsAreDoneInPieces) {
  BalloonBench bench;
  // 60 times the same pages: as many numbers as there are in 4 MiB of them, each a page of its own.
  std::vector<Segment> chain(60, {kField, static_cast<uint32_t>(kFieldBytes), false});
  for (uint32_t i = 0; i < kFieldBytes / 4; ++i) {
    const uint32_t frame = kFieldFrame + 2 * (i % 512);
    std::memcpy(bench.rig.ram.Bytes(kField + 4 * i, 4).data(), &frame, 4);
  }
  bench.rings[0].Add(chain);
  bench.rings[0].Publish();
  bench.rig.driver.Notify(0);
  // Of processor time: how long it takes by the wall is the host's affair.
  const auto start = ProcessCpuClock().Now();
  ASSERT_TRUE(bench.rig.PumpOnce());
  EXPECT_LT(ProcessCpuClock().Now() - start, std::chrono::milliseconds(200));
  EXPECT_EQ(bench.rings[0].used_index(), 0);
  bench.rig.driver.Write(reg::kStatus, 0);
  EXPECT_EQ(bench.rings[0].used_index(), 0);
}

TEST(BalloonHostileTest, LongReportsAreDoneInPieces) {
  BalloonBench bench;
  std::vector<Segment> chain(60, {kField, static_cast<uint32_t>(kFieldBytes), true});
  bench.rings[4].Add(chain);
  bench.rings[4].Publish();
  bench.rig.driver.Notify(4);
  int wake_ups = 0;
  while (bench.rings[4].used_index() == 0) {
    ASSERT_TRUE(bench.rig.PumpOnce());
    ++wake_ups;
  }
  EXPECT_GE(wake_ups, 7);
  EXPECT_EQ(bench.metrics().free_page_report_freed.value(), 60 * kFieldBytes);
}

TEST(BalloonHostileTest, LivesThroughRandomPageNumbersAndRanges) {
  BalloonBench bench;
  std::minstd_rand random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<uint32_t> frames(random() % 300);
    for (uint32_t& frame : frames) {
      frame =
          static_cast<uint32_t>(random() % 4 == 0 ? random() * 3 : kFieldFrame + random() % 1024);
    }
    if (!frames.empty()) bench.Inflate(frames);
    const GuestAddress at = kField + random() % kFieldBytes;
    const auto room = static_cast<uint32_t>(ToInteger(GuestRam::kLow.end()) - ToInteger(at));
    bench.Send(4, {{at, static_cast<uint32_t>(random()) % room + 1, true}});
    bench.rings[0].TakeUsed();
    bench.rings[4].TakeUsed();
    ASSERT_FALSE(bench.needs_reset());
  }
  EXPECT_EQ(bench.rings[4].used_index(), 200);
}

}  // namespace
}  // namespace ember::virtio::testing
