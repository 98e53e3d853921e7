// Finished calls of a deep queue are left to gather, where the engine says that it pays.
#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>

#include "tests/base/fake_clock.h"
#include "tests/virtio/block/async_bench.h"

namespace ember::virtio::testing {
namespace {

using std::chrono::milliseconds;

constexpr int kAwhileMs = 60'000;

struct GatheringBench {
  explicit GatheringBench(bool gathers) { bench.engine.gathering = gathers; }

  // Gives requests to the engine, and lets it finish one of them in such a time that the others
  // may gather for as long as any. When that was begun, of the machine's clock.
  std::chrono::nanoseconds BeginDeepAndSlow() {
    bench.PutReads(16);
    bench.KickAndPump();
    const std::chrono::nanoseconds began = MonotonicClock().Now();
    FinishOne();
    bench.rig.Pump();
    return began;
  }
  void FinishOne() {
    clock.Advance(milliseconds{1});
    bench.engine.Finish(0);
  }
  bool IsReady(int timeout_ms) {
    pollfd fd{.fd = bench.device->host_event_fd(), .events = POLLIN, .revents = 0};
    return ::poll(&fd, 1, timeout_ms) == 1;
  }

  FakeClock clock;
  AsyncBench bench{kBlockFlushFeature, 32, clock};
};

TEST(BlockGatheringTest, LeavesWhatADeepQueueFinishesUntilTheTimeIsOver) {
  GatheringBench gathering(true);
  const auto began = gathering.BeginDeepAndSlow();
  const int interrupts = gathering.bench.rig.line.count();
  for (int i = 0; i < 4; ++i) gathering.FinishOne();
  ASSERT_TRUE(gathering.IsReady(kAwhileMs));
  EXPECT_GE(MonotonicClock().Now() - began, FinishPace::kMostDelay);
  gathering.bench.rig.PumpOnce();
  EXPECT_EQ(gathering.bench.used(), 5);
  EXPECT_EQ(gathering.bench.rig.line.count(), interrupts + 1);
}

TEST(BlockGatheringTest, TakesEachAtOnceWhereTheEngineDoesNotGather) {
  GatheringBench gathering(false);
  gathering.BeginDeepAndSlow();
  for (int done = 2; done <= 5; ++done) {
    gathering.FinishOne();
    ASSERT_TRUE(gathering.IsReady(0));
    gathering.bench.rig.PumpOnce();
    EXPECT_EQ(gathering.bench.used(), done);
  }
}

TEST(BlockGatheringTest, TakesEachAtOnceAgainWhenFewAreLeft) {
  GatheringBench gathering(true);
  gathering.BeginDeepAndSlow();
  while (gathering.bench.engine.in_flight.size() >= FinishPace::kLeastInFlight) {
    gathering.FinishOne();
  }
  ASSERT_TRUE(gathering.IsReady(kAwhileMs));
  gathering.bench.rig.Pump();
  const int used = gathering.bench.used();
  gathering.FinishOne();
  ASSERT_TRUE(gathering.IsReady(0));
  gathering.bench.rig.PumpOnce();
  EXPECT_EQ(gathering.bench.used(), used + 1);
}

TEST(BlockGatheringTest, TakesWhatIsFinishedWhenTheDriverAsksForMore) {
  GatheringBench gathering(true);
  gathering.BeginDeepAndSlow();
  gathering.FinishOne();
  gathering.bench.Put(kBlockIn, 0);
  gathering.bench.driver.Kick();
  gathering.bench.rig.PumpOnce();
  EXPECT_EQ(gathering.bench.used(), 2);
}

TEST(BlockGatheringTest, ANewDriverFindsNothingOfAnOldOnesPace) {
  GatheringBench gathering(true);
  gathering.BeginDeepAndSlow();
  AsyncBench& bench = gathering.bench;
  bench.rig.driver.Write(reg::kStatus, 0);
  BlockDriver fresh(bench.rig, kBlockFlushFeature);
  bench.rig.Pump();
  const GuestAddress data = bench.rig.ram.Allocate(kAsyncLen);
  fresh.Put(kBlockIn, 0, data, kAsyncLen);
  fresh.Kick();
  bench.rig.Pump();
  ASSERT_EQ(bench.engine.in_flight.size(), 1U);
  gathering.FinishOne();
  EXPECT_TRUE(gathering.IsReady(0));
}

TEST(BlockGatheringTest, ADiskThatComesToRestHasNothingLeftToGather) {
  GatheringBench gathering(true);
  gathering.BeginDeepAndSlow();
  gathering.FinishOne();
  ASSERT_TRUE(gathering.bench.device->ComeToRest());
  EXPECT_EQ(gathering.bench.used(), 16);
  gathering.bench.Put(kBlockIn, 0);
  gathering.bench.KickAndPump();
  gathering.FinishOne();
  EXPECT_TRUE(gathering.IsReady(0));
}

}  // namespace
}  // namespace ember::virtio::testing
