// Several request queues (virtio 1.2, 5.2.2 and VIRTIO_BLK_F_MQ).
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "tests/virtio/block/block_bench.h"
#include "tests/virtio/block/scripted_engine.h"

namespace ember::virtio::testing {
namespace {

constexpr uint16_t kQueues = 4;

struct QueuesBench {
  explicit QueuesBench(size_t set_up = kQueues, size_t depth = 8)
      : owned_disk(std::make_unique<MemoryDisk>(kSectors * 512)),
        owned_engine(std::make_unique<ScriptedEngine>(*owned_disk, depth)),
        engine(*owned_engine),
        device(*BlockDevice::Create(std::move(owned_disk), std::move(owned_engine),
                                    {.drive_id = "mq", .queue_count = kQueues})),
        rig(*device) {
    rig.driver.Negotiate(kVersion1Feature | kBlockMultiQueueFeature);
    for (uint32_t i = 0; i < set_up; ++i) {
      rings.emplace_back(rig.ram, uint16_t{16});
      EXPECT_TRUE(rig.driver.EnableQueue(i, rings.back().place()));
    }
    rig.driver.AddStatus(kDriverOk);
    rig.Pump();
  }

  // A read of one sector; where its status byte is.
  GuestAddress Put(size_t queue) {
    const GuestAddress at = rig.ram.Allocate(16 + 512 + 1);
    std::ranges::fill(rig.ram.Bytes(at, 16), std::byte{0});
    rig.ram.Bytes(at + 528, 1)[0] = std::byte{kBlockUntouched};
    rings[queue].Add(
        {Segment{at, 16, false}, Segment{at + 16, 512, true}, Segment{at + 528, 1, true}});
    return at + 528;
  }
  void Kick(size_t queue) {
    if (rings[queue].Publish()) rig.driver.Notify(static_cast<uint32_t>(queue));
  }

  std::unique_ptr<MemoryDisk> owned_disk;
  std::unique_ptr<ScriptedEngine> owned_engine;
  ScriptedEngine& engine;
  std::unique_ptr<BlockDevice> device;
  Rig rig;
  std::vector<DriverRing> rings;
};

TEST(BlockQueuesTest, AreOfferedWhereThereIsMoreThanOne) {
  QueuesBench bench;
  EXPECT_NE(bench.rig.driver.DeviceFeatures() & kBlockMultiQueueFeature, 0U);
  EXPECT_EQ(bench.rig.driver.ReadWide(reg::kConfig + 34, 2), kQueues);
  const Bench single;
  EXPECT_EQ(single.rig.driver.DeviceFeatures() & kBlockMultiQueueFeature, 0U);
}

TEST(BlockQueuesTest, AnswerEachOnItsOwnRing) {
  QueuesBench bench;
  std::vector<GuestAddress> statuses;
  for (size_t i = 0; i < kQueues; ++i) {
    statuses.push_back(bench.Put(i));
    bench.Kick(i);
  }
  bench.rig.Pump();
  EXPECT_EQ(bench.engine.in_flight.size(), kQueues);
  bench.engine.FinishAll();
  bench.rig.Pump();
  for (size_t i = 0; i < kQueues; ++i) {
    EXPECT_EQ(bench.rings[i].used_index(), 1U);
    EXPECT_EQ(bench.rig.ram.Bytes(statuses[i], 1)[0], std::byte{kBlockOk});
  }
}

TEST(BlockQueuesTest, ShareTheRoomThereIsSoThatNoneStarves) {
  QueuesBench bench(kQueues, /*depth=*/8);
  for (size_t i = 0; i < kQueues; ++i) {
    for (int each = 0; each < 5; ++each) bench.Put(i);
    bench.Kick(i);
  }
  bench.rig.Pump();
  for (int round = 0; round < 100 && !bench.engine.in_flight.empty(); ++round) {
    bench.engine.Finish(0);
    bench.rig.Pump();
  }
  for (const DriverRing& ring : bench.rings) EXPECT_EQ(ring.used_index(), 5U);
}

TEST(BlockQueuesTest, MayBeSetUpInPart) {
  QueuesBench bench(/*set_up=*/2);
  bench.Put(1);
  bench.Kick(1);
  bench.rig.driver.Notify(3);
  bench.rig.Pump();
  bench.engine.FinishAll();
  bench.rig.Pump();
  EXPECT_EQ(bench.rings[1].used_index(), 1U);
  EXPECT_EQ(bench.rig.driver.status() & kNeedsReset, 0U);
}

TEST(BlockQueuesTest, NeedTheFirst) {
  QueuesBench bench(/*set_up=*/0);
  EXPECT_NE(bench.rig.driver.status() & kNeedsReset, 0U);
  EXPECT_EQ(bench.device->metrics().activate_fails.value(), 1U);
}

TEST(BlockQueuesTest, AreAllLeftAloneAfterABreachOnOne) {
  QueuesBench bench;
  for (size_t i = 0; i < kQueues; ++i) {
    bench.Put(i);
    bench.Kick(i);
  }
  bench.rig.Pump();
  bench.rings[2].SetAvailableIndex(1000);
  bench.rig.driver.Notify(2);
  bench.rig.Pump();
  bench.engine.FinishAll();
  bench.rig.Pump();
  for (const DriverRing& ring : bench.rings) EXPECT_EQ(ring.used_index(), 0U);
}

TEST(BlockQueuesTest, AreAtMostSixteen) {
  for (const uint16_t count : {uint16_t{0}, uint16_t{17}}) {
    EXPECT_FALSE(BlockDevice::Create(std::make_unique<MemoryDisk>(4096),
                                     {.drive_id = "mq", .queue_count = count}));
  }
}

}  // namespace
}  // namespace ember::virtio::testing
