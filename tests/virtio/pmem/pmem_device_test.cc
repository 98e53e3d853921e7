#include "virtio/pmem/pmem_device.h"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "tests/virtio/pmem/pmem_bench.h"

namespace ember::virtio::testing {
namespace {

constexpr uint32_t kFailure = 0xffffffff;

TEST(PmemDeviceTest, TellsWhereTheMemoryIs) {
  PmemBench bench;
  EXPECT_EQ(bench.rig.driver.Read(reg::kDeviceId), 27U);
  EXPECT_EQ(bench.rig.driver.ReadWide(reg::kConfig, 8), kPmemStart);
  EXPECT_EQ(bench.rig.driver.ReadWide(reg::kConfig + 8, 8), MemoryStore::kSizeBytes);
}

TEST(PmemDeviceTest, HasAReadOnlyConfiguration) {
  PmemBench bench;
  for (uint64_t offset = 0; offset < 32; offset += 4) {
    bench.rig.driver.Write(reg::kConfig + offset, 0xffffffff);
  }
  EXPECT_EQ(bench.rig.driver.ReadWide(reg::kConfig, 8), kPmemStart);
  EXPECT_EQ(bench.metrics().cfg_fails.value(), 8U);
}

TEST(PmemDeviceTest, FlushesAndSaysSo) {
  PmemBench bench;
  const GuestAddress answer = bench.Put();
  bench.Kick();
  bench.AwaitUsed(1);
  EXPECT_EQ(bench.Answer(answer), 0U);
  EXPECT_EQ(bench.ring->TakeUsed()->len, 4U);
  EXPECT_EQ(bench.store.begun(), 1);
  EXPECT_EQ(bench.rig.line.count(), 1);
}

TEST(PmemDeviceTest, SaysThatTheHostFailed) {
  PmemBench bench;
  bench.store.Fail(true);
  const GuestAddress answer = bench.Put();
  bench.Kick();
  bench.AwaitUsed(1);
  EXPECT_EQ(bench.Answer(answer), kFailure);
  EXPECT_EQ(bench.metrics().event_fails.value(), 1U);
  bench.store.Fail(false);
  const GuestAddress again = bench.Put();
  bench.Kick();
  bench.AwaitUsed(2);
  EXPECT_EQ(bench.Answer(again), 0U);
}

TEST(PmemDeviceTest, HasNothingToFlushWhereItIsReadOnly) {
  PmemBench bench(Access::kReadOnly);
  const GuestAddress answer = bench.Put();
  bench.Kick();
  EXPECT_EQ(bench.Answer(answer), 0U);
  EXPECT_EQ(bench.store.begun(), 0);
}

// The thread of the device never waits for the disk.
TEST(PmemDeviceTest, DoesNotWaitForTheDisk) {
  PmemBench bench;
  bench.store.Hold();
  const GuestAddress answer = bench.Put();
  bench.Kick();  // returns
  bench.store.AwaitFlush(1);
  EXPECT_EQ(bench.Answer(answer), kPmemUntouched);
  EXPECT_FALSE(bench.rig.PumpOnce()) << "there is nothing to do meanwhile";
  bench.store.Release();
  bench.AwaitUsed(1);
  EXPECT_EQ(bench.Answer(answer), 0U);
}

TEST(PmemDeviceTest, FlushesOnceForAllRequestsThatAreThere) {
  PmemBench bench;
  std::vector<GuestAddress> answers;
  for (int i = 0; i < 16; ++i) answers.push_back(bench.Put());
  bench.Kick();
  bench.AwaitUsed(16);
  for (const GuestAddress at : answers) EXPECT_EQ(bench.Answer(at), 0U);
  EXPECT_EQ(bench.store.begun(), 1);
  EXPECT_EQ(bench.rig.line.count(), 1);
}

// What was written after a flush began may not be in it.
TEST(PmemDeviceTest, FlushesAgainForWhatCameMeanwhile) {
  PmemBench bench;
  bench.store.Hold();
  bench.Put();
  bench.Kick();
  bench.store.AwaitFlush(1);
  bench.Put();
  bench.Put();
  bench.Kick();
  bench.store.Release();
  bench.AwaitUsed(3);
  EXPECT_EQ(bench.store.begun(), 2);
}

TEST(PmemDeviceTest, RefusesRequestsItDoesNotKnow) {
  PmemBench bench;
  const GuestAddress unknown = bench.Put(1);
  const GuestAddress flush = bench.Put(0);
  bench.Kick();
  bench.AwaitUsed(2);
  EXPECT_EQ(bench.Answer(unknown), kFailure);
  EXPECT_EQ(bench.Answer(flush), 0U);
  EXPECT_EQ(bench.metrics().event_fails.value(), 1U);
}

TEST(PmemDeviceTest, TakesRequestsSplitOverBuffersInAnyWay) {
  PmemBench bench;
  const GuestAddress at = bench.rig.ram.Allocate(16);
  bench.ring->Add({Segment{at, 1, false}, Segment{at + 1, 3, false}, Segment{at + 8, 3, true},
                   Segment{at + 11, 5, true}});
  bench.Kick();
  bench.AwaitUsed(1);
  EXPECT_EQ(bench.ring->TakeUsed()->len, 4U);
  EXPECT_EQ(bench.Answer(at + 8), 0U);
}

TEST(PmemDeviceTest, NeedsAResetAfterRequestsWithoutRoomForTheirParts) {
  const std::vector<std::vector<Segment>> broken = {
      {{GuestAddress{0x100}, 3, false}, {GuestAddress{0x200}, 4, true}},
      {{GuestAddress{0x100}, 4, false}, {GuestAddress{0x200}, 3, true}},
      {{GuestAddress{0x100}, 4, false}},
      {{GuestAddress{0x200}, 4, true}},
  };
  for (const auto& segments : broken) {
    PmemBench bench;
    const GuestAddress before = bench.Put();
    bench.ring->Add(segments);
    bench.Kick();
    EXPECT_TRUE(bench.needs_reset());
    EXPECT_EQ(bench.ring->used_index(), 0);
    bench.Start();
    const GuestAddress answer = bench.Put();
    bench.Kick();
    bench.AwaitUsed(1);
    EXPECT_EQ(bench.Answer(answer), 0U);
    EXPECT_EQ(bench.Answer(before), kPmemUntouched);
  }
}

TEST(PmemDeviceTest, TakesARingFullOfRequests) {
  PmemBench bench;
  const GuestAddress at = bench.rig.ram.Allocate(8);
  const GuestAddress table = bench.rig.ram.Allocate(32 * 16);
  bench.rig.driver.Start(kVersion1Feature | kIndirectFeature, bench.ring->place());
  const Segment segments[] = {{at, 4, false}, {at + 4, 4, true}};
  for (int i = 0; i < 32; ++i) bench.ring->AddIndirect(segments, table);
  bench.Kick();
  bench.AwaitUsed(32);
  EXPECT_EQ(bench.store.begun(), 1);
}

TEST(PmemResetTest, DoesNotWaitForAFlushAndLeavesMemoryAlone) {
  PmemBench bench;
  bench.store.Hold();
  const GuestAddress answer = bench.Put();
  bench.Kick();
  bench.store.AwaitFlush(1);
  bench.rig.driver.Write(reg::kStatus, 0);
  EXPECT_EQ(bench.rig.driver.status(), 0U);
  bench.store.Release();
  // The old flush ends, and is nobody's; the new driver's request gets a flush of its own.
  bench.Start();
  const GuestAddress again = bench.Put();
  bench.Kick();
  bench.AwaitUsed(1);
  EXPECT_EQ(bench.Answer(answer), kPmemUntouched);
  EXPECT_EQ(bench.Answer(again), 0U);
  EXPECT_EQ(bench.store.begun(), 2);
}

TEST(PmemResetTest, NewDriverWaitsForAFlushThatBeganAfterItsRequest) {
  PmemBench bench;
  bench.store.Hold();
  bench.Put();
  bench.Kick();
  bench.store.AwaitFlush(1);
  bench.Start();
  const GuestAddress answer = bench.Put();
  bench.Kick();
  EXPECT_EQ(bench.store.begun(), 1);
  EXPECT_EQ(bench.Answer(answer), kPmemUntouched);
  bench.store.Release();
  bench.AwaitUsed(1);
  EXPECT_EQ(bench.store.begun(), 2);
}

TEST(PmemResetTest, AllowsTheDeviceToGoWhileAFlushIsUnderWay) {
  PmemBench bench;
  bench.Put();
  bench.Kick();
}

TEST(PmemHostileTest, SurvivesAnIndexThatMovesBackWhileAFlushIsUnderWay) {
  PmemBench bench;
  bench.store.Hold();
  bench.Put();
  bench.Kick();
  bench.store.AwaitFlush(1);
  bench.ring->SetAvailableIndex(0xf000);
  bench.store.Release();
  bench.AwaitUsed(1);
  bench.rig.Pump();
  EXPECT_TRUE(bench.needs_reset());
}

TEST(PmemDeviceTest, AnswersWhatAFlushUnderWayIsForToRest) {
  PmemBench bench;
  const GuestAddress answer = bench.Put();
  bench.Kick();
  EXPECT_EQ(bench.rig.Save().device.queues[0].position, 1);
  EXPECT_EQ(bench.Answer(answer), 0U);
  EXPECT_EQ(bench.store.begun(), 2) << "the second for the snapshot";
}

TEST(PmemDeviceTest, PutsBackWhatWaitsToRest) {
  PmemBench bench(Access::kReadWrite,
                  {.ops = TokenBucketOptions{.size = 1, .refill_time_ms = 1'000'000}});
  bench.Put();
  bench.Kick();
  bench.AwaitUsed(1);
  for (int i = 0; i < 3; ++i) bench.Put();
  bench.Kick();
  EXPECT_EQ(bench.rig.Save().device.queues[0].position, 1);
  bench.rig.Pump();
  bench.rig.state().WithDevice(
      [&] { bench.device->UpdateRateLimiter({.ops = TokenBucketOptions{}}); });
  bench.AwaitUsed(4);
}

TEST(PmemDeviceTest, SaysThatItsStoreCannotBeMadeDurable) {
  PmemBench bench;
  bench.store.Fail(true);
  DeviceHold hold(bench.rig.state());
  const auto saved = hold.Save();
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().message(), "pmem p0: flush told to fail");
}

}  // namespace
}  // namespace ember::virtio::testing
