// Several requests in flight, with an engine that does what the test tells it (shared/virtio.md, 13
// and 16).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "tests/virtio/block/async_bench.h"

namespace ember::virtio::testing {
namespace {

constexpr uint32_t kLen = kAsyncLen;

TEST(BlockAsyncTest, KeepsAllRequestsOfABurstInFlight) {
  AsyncBench bench;
  bench.PutReads(10);
  bench.KickAndPump();
  EXPECT_EQ(bench.engine.in_flight.size(), 10U);
  EXPECT_EQ(bench.used(), 0);
}

TEST(BlockAsyncTest, AnswersInTheOrderInWhichTheHostFinishes) {
  AsyncBench bench;
  const auto requests = bench.PutReads(3);
  bench.KickAndPump();
  for (const size_t each : {2U, 0U, 1U}) {
    const auto found = std::ranges::find(bench.engine.in_flight, uint64_t{8} * 512 * each,
                                         [](const auto& one) { return one.call.offset; });
    bench.engine.Finish(static_cast<size_t>(found - bench.engine.in_flight.begin()));
    bench.rig.Pump();
    const auto answer = bench.driver.Take(requests[each]);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, kBlockOk);
    EXPECT_EQ(answer->used_len, kLen + 1);
    EXPECT_TRUE(bench.Holds(requests[each], 8 * each));
  }
}

TEST(BlockAsyncTest, InterruptsOnceForABurstOfCompletions) {
  AsyncBench bench;
  bench.PutReads(8);
  bench.KickAndPump();
  EXPECT_EQ(bench.rig.line.count(), 0);
  bench.engine.FinishAll();
  bench.rig.Pump();
  EXPECT_EQ(bench.used(), 8);
  EXPECT_EQ(bench.rig.line.count(), 1);
}

TEST(BlockAsyncTest, TakesNoMoreThanTheEnginesDepthAndGoesOnWhenThereIsRoom) {
  AsyncBench bench(kBlockFlushFeature, 4);
  bench.PutReads(10);
  bench.KickAndPump();
  EXPECT_EQ(bench.engine.in_flight.size(), 4U);
  for (int done = 1; done <= 6; ++done) {
    bench.engine.Finish(0);
    bench.rig.Pump();
    EXPECT_EQ(bench.used(), done);
    EXPECT_EQ(bench.engine.in_flight.size(), 4U);
  }
  bench.engine.FinishAll();
  bench.rig.Pump();
  EXPECT_EQ(bench.used(), 10);
}

class BlockAsyncFaultTest : public ::testing::TestWithParam<uint32_t> {};

TEST_P(BlockAsyncFaultTest, GoesOnAfterShortCallsAtEachIndex) {
  for (size_t shorts = 0; shorts < 8; ++shorts) {
    AsyncBench bench;
    const auto request = bench.Put(GetParam(), 16);
    bench.KickAndPump();
    for (size_t i = 0; i < shorts; ++i) {
      bench.engine.FinishShort(0, 1 + 511 * (i % 2));
      bench.rig.Pump();
      ASSERT_EQ(bench.used(), 0) << "answered before it was done";
    }
    bench.engine.Finish(0);
    bench.rig.Pump();
    EXPECT_EQ(bench.StatusOf(request), kBlockOk);
    EXPECT_TRUE(bench.Holds(request, 16));
  }
}

TEST_P(BlockAsyncFaultTest, ReportsAFailureAtEachIndex) {
  for (size_t before = 0; before < 8; ++before) {
    for (const bool nothing : {false, true}) {
      AsyncBench bench;
      const auto request = bench.Put(GetParam(), 16);
      bench.KickAndPump();
      for (size_t i = 0; i < before; ++i) {
        bench.engine.FinishShort(0, 512);
        bench.rig.Pump();
      }
      if (nothing) {
        bench.engine.FinishWith(0, uint64_t{0});
      } else {
        bench.engine.FinishWith(0, Error::FromErrorNumber("told to fail", EIO));
      }
      bench.rig.Pump();
      const auto answer = bench.driver.Take(request);
      ASSERT_TRUE(answer);
      EXPECT_EQ(answer->status, kBlockIoError);
      EXPECT_EQ(answer->used_len, GetParam() == kBlockIn ? 512 * before : 1);
      EXPECT_TRUE(bench.engine.in_flight.empty()) << "a failed call must not be repeated";
      EXPECT_EQ(bench.device->metrics().execute_fails.value(), 1U);
    }
  }
}

TEST_P(BlockAsyncFaultTest, AsksAgainWhatTheHostPutOff) {
  for (const int error_number : {EAGAIN, EINTR}) {
    AsyncBench bench;
    const auto request = bench.Put(GetParam(), 16);
    bench.KickAndPump();
    for (int i = 0; i < BlockSession::kMaxRetries; ++i) {
      bench.engine.FinishWith(0, Error::FromErrorNumber("put off", error_number));
      bench.rig.Pump();
      ASSERT_EQ(bench.engine.in_flight.size(), 1U);
    }
    bench.engine.Finish(0);
    bench.rig.Pump();
    EXPECT_EQ(bench.StatusOf(request), kBlockOk);
  }
}

TEST_P(BlockAsyncFaultTest, GivesUpOnWhatTheHostPutsOffForEver) {
  AsyncBench bench;
  const auto request = bench.Put(GetParam(), 16);
  bench.KickAndPump();
  for (int i = 0; i <= BlockSession::kMaxRetries; ++i) {
    bench.engine.FinishWith(0, Error::FromErrorNumber("put off", EAGAIN));
    bench.rig.Pump();
  }
  EXPECT_EQ(bench.StatusOf(request), kBlockIoError);
}

INSTANTIATE_TEST_SUITE_P(Directions, BlockAsyncFaultTest, ::testing::Values(kBlockIn, kBlockOut),
                         [](const auto& test) {
                           return std::string(test.param == kBlockIn ? "Read" : "Write");
                         });

TEST(BlockAsyncFlushTest, GoesToTheHostWhileWritesAreInFlight) {
  AsyncBench bench;
  bench.Put(kBlockOut, 0);
  bench.driver.Put(kBlockFlush, 0, {}, 0);
  bench.KickAndPump();
  EXPECT_EQ(bench.engine.started, (std::vector{IoKind::kWrite, IoKind::kFlush}));
}

TEST(BlockAsyncFlushTest, MakesDurableWhatWasAnsweredBefore) {
  AsyncBench bench;
  const auto write = bench.Put(kBlockOut, 0);
  bench.KickAndPump();
  bench.engine.Finish(0);
  bench.rig.Pump();
  ASSERT_EQ(bench.StatusOf(write), kBlockOk);
  const auto flush = bench.driver.Put(kBlockFlush, 0, {}, 0);
  bench.KickAndPump();
  EXPECT_EQ(bench.StatusOf(flush), kBlockUntouched) << "before the host said so";
  bench.engine.Finish(0);
  bench.rig.Pump();
  EXPECT_EQ(bench.StatusOf(flush), kBlockOk);
  EXPECT_EQ(bench.disk.durable, bench.disk.bytes);
}

TEST(BlockAsyncFlushTest, FollowsEachWriteWhereTheDriverDeclinedIt) {
  AsyncBench bench(/*features=*/0);
  const auto write = bench.Put(kBlockOut, 0);
  bench.KickAndPump();
  bench.engine.Finish(0);
  bench.rig.Pump();
  EXPECT_EQ(bench.StatusOf(write), kBlockUntouched) << "answered before it was durable";
  ASSERT_EQ(bench.engine.in_flight.size(), 1U);
  EXPECT_EQ(bench.engine.in_flight[0].call.kind, IoKind::kFlush);
  bench.engine.Finish(0);
  bench.rig.Pump();
  EXPECT_EQ(bench.StatusOf(write), kBlockOk);
  EXPECT_EQ(bench.disk.durable, bench.disk.bytes);
}

TEST(BlockAsyncFlushTest, IsReportedWhereItFails) {
  AsyncBench bench;
  const auto flush = bench.driver.Put(kBlockFlush, 0, {}, 0);
  bench.KickAndPump();
  bench.engine.FinishWith(0, Error::FromErrorNumber("told to fail", EIO));
  bench.rig.Pump();
  EXPECT_EQ(bench.StatusOf(flush), kBlockIoError);
}

// With each number of requests answered, finished unseen, and in flight.
TEST(BlockAsyncResetTest, TouchesNothingAfterwardsAtAnyPoint) {
  constexpr size_t kRequests = 6;
  for (size_t answered = 0; answered <= kRequests; ++answered) {
    for (size_t finished = 0; answered + finished <= kRequests; ++finished) {
      AsyncBench bench;
      const auto requests = bench.PutReads(kRequests);
      bench.KickAndPump();
      for (size_t i = 0; i < answered; ++i) bench.engine.Finish(0);
      bench.rig.Pump();
      for (size_t i = 0; i < finished; ++i) bench.engine.Finish(0);
      bench.rig.driver.Write(reg::kStatus, 0);
      EXPECT_EQ(bench.rig.driver.status(), 0U);
      EXPECT_EQ(bench.engine.stops, 1);
      EXPECT_EQ(bench.engine.cancelled, kRequests - answered - finished);
      bench.rig.Pump();
      EXPECT_EQ(bench.used(), static_cast<int>(answered));
      for (size_t i = answered; i < kRequests; ++i) {
        EXPECT_EQ(bench.StatusOf(requests[i]), kBlockUntouched);
      }
      BlockDriver again(bench.rig, kBlockFlushFeature);
      const auto request = again.Put(kBlockIn, 0, bench.rig.ram.Allocate(kLen), kLen);
      again.Kick();
      bench.rig.Pump();
      bench.engine.FinishAll();
      bench.rig.Pump();
      EXPECT_EQ(again.Take(request)->status, kBlockOk) << "it must start again";
    }
  }
}

TEST(BlockAsyncResetTest, MarksDirtyWhatTheHostMayHaveWritten) {
  auto owned_disk = std::make_unique<MemoryDisk>(kSectors * 512);
  auto engine = std::make_unique<ScriptedEngine>(*owned_disk);
  const auto device =
      *BlockDevice::Create(std::move(owned_disk), std::move(engine), {.drive_id = "async"});
  Rig rig(*device, /*track_dirty_pages=*/true);
  BlockDriver driver(rig);
  const GuestAddress data = rig.ram.Allocate(kLen, 4096);
  driver.Put(kBlockIn, 0, data, kLen);
  driver.Kick();
  rig.Pump();
  auto& dirty = *rig.ram.memory().dirty_pages();
  dirty.Take(0);
  rig.driver.Write(reg::kStatus, 0);
  const uint64_t page = ToInteger(data) / 4096;
  EXPECT_NE((dirty.Take(0)[page / 64] >> (page % 64)) & 1, 0U);
}

TEST(BlockAsyncResetTest, MayComeByTheDevicesEnd) {
  AsyncBench bench;
  bench.PutReads(5);
  bench.KickAndPump();
  EXPECT_EQ(bench.engine.in_flight.size(), 5U);
}

TEST(BlockAsyncBreachTest, LeavesTheRingAloneWhileRequestsAreInFlight) {
  AsyncBench bench;
  const auto requests = bench.PutReads(4);
  bench.KickAndPump();
  DriverRing& ring = bench.driver.ring();
  ring.SetAvailableIndex(static_cast<uint16_t>(ring.available_index() + 1000));
  bench.rig.driver.Notify(0);
  bench.rig.Pump();
  EXPECT_NE(bench.rig.driver.status() & kNeedsReset, 0U);
  bench.engine.FinishAll();
  bench.rig.Pump();
  EXPECT_EQ(bench.used(), 0);
  for (const auto& request : requests) EXPECT_EQ(bench.StatusOf(request), kBlockUntouched);
  EXPECT_FALSE(bench.rig.PumpOnce()) << "the device must come to rest";
}

TEST(BlockAsyncTest, TriesAgainWhatTheHostDidNotTake) {
  AsyncBench bench;
  bench.engine.refuses = true;
  const auto request = bench.Put(kBlockIn, 8);
  bench.driver.Kick();
  bench.rig.PumpOnce();
  EXPECT_EQ(bench.engine.unsubmitted.size(), 1U);
  EXPECT_GE(bench.device->metrics().io_engine_throttled_events.value(), 1U);
  bench.engine.refuses = false;
  // Nobody notifies it; it wakes up by itself.
  while (bench.engine.in_flight.empty()) bench.rig.PumpOnce();
  bench.engine.Finish(0);
  bench.rig.Pump();
  EXPECT_EQ(bench.StatusOf(request), kBlockOk);
}

TEST(BlockAsyncTest, TellsHowLongReadsAndWritesTook) {
  AsyncBench bench;
  bench.Put(kBlockIn, 0);
  bench.Put(kBlockOut, 8);
  bench.KickAndPump();
  bench.engine.FinishAll();
  bench.rig.Pump();
  const BlockMetrics& metrics = bench.device->metrics();
  EXPECT_LE(metrics.read_agg.min_us(), metrics.read_agg.max_us());
  EXPECT_EQ(metrics.read_agg.max_us(), metrics.read_agg.sum_us());
  EXPECT_EQ(metrics.write_agg.max_us(), metrics.write_agg.sum_us());
}

}  // namespace
}  // namespace ember::virtio::testing
