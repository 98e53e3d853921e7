// A block device comes to rest for a snapshot: rings and disk agree, and the disk is durable.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "tests/base/fake_clock.h"
#include "tests/virtio/block/block_bench.h"
#include "tests/virtio/block/scripted_engine.h"

namespace ember::virtio::testing {
namespace {

TEST(BlockRestTest, FinishesWhatIsInFlight) {
  auto disk = std::make_unique<MemoryDisk>(kSectors * 512);
  MemoryDisk& contents = *disk;
  auto engine = std::make_unique<ScriptedEngine>(*disk);
  ScriptedEngine& calls = *engine;
  const auto device = *BlockDevice::Create(std::move(disk), std::move(engine), {.drive_id = "d"});
  Rig rig(*device);
  BlockDriver driver(rig);
  const GuestAddress data = rig.ram.Allocate(512);
  std::ranges::fill(rig.ram.Bytes(data, 512), std::byte{0x5a});
  for (uint64_t sector = 0; sector < 8; ++sector) driver.Put(kBlockOut, sector, data, 512);
  driver.Kick();
  rig.Pump();
  ASSERT_EQ(calls.in_flight.size(), 8U);
  EXPECT_EQ(rig.Save().device.queues[0].position, 8);
  EXPECT_TRUE(calls.in_flight.empty());
  EXPECT_EQ(driver.ring().used_index(), 8);
  EXPECT_EQ(rig.line.count(), 1);
  EXPECT_EQ(contents.durable[8 * 512 - 1], std::byte{0x5a});
}

// One of many pieces, which takes more than a wake-up.
TEST(BlockRestTest, FinishesARequestThatWasBegun) {
  constexpr uint64_t kBytes = uint64_t{5} << 20;
  Bench bench({.size_bytes = kBytes});
  const GuestAddress data = bench.rig.ram.Allocate(kBytes);
  bench.driver.Put(kBlockOut, 0, data, kBytes);
  bench.driver.Kick();
  EXPECT_EQ(bench.rig.Save().device.queues[0].position, 0) << "it was not looked at";
  bench.rig.PumpOnce();
  EXPECT_EQ(bench.rig.Save().device.queues[0].position, 1);
  EXPECT_EQ(bench.disk.calls.back(), "flush");
}

TEST(BlockRestTest, PutsBackWhatTheLimiterHolds) {
  FakeClock clock;
  Bench bench(
      {.device = {.drive_id = "limited",
                  .queue_count = 2,
                  .rate_limiter = {.ops = TokenBucketOptions{.size = 2, .refill_time_ms = 1000}},
                  .clock = clock}});
  std::vector<BlockDriver::Request> requests;
  const GuestAddress data = bench.rig.ram.Allocate(512);
  for (int i = 0; i < 4; ++i) requests.push_back(bench.driver.Put(kBlockIn, 0, data, 512));
  bench.driver.Kick();
  bench.rig.Pump();
  EXPECT_EQ(bench.rig.Save().device.queues[0].position, 2);
  bench.rig.Pump();
  EXPECT_EQ(bench.driver.ring().used_index(), 2) << "they wait again";
  clock.Advance(std::chrono::seconds(1));
  bench.rig.driver.Notify(0);
  bench.rig.Pump();
  for (const BlockDriver::Request& request : requests) {
    const auto answer = bench.driver.Take(request);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, kBlockOk);
  }
}

TEST(BlockRestTest, SaysThatTheDiskCannotBeMadeDurable) {
  Bench bench;
  bench.disk.faults[0] = MemoryDisk::Fault::kError;
  DeviceHold hold(bench.rig.state());
  const auto saved = hold.Save();
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().message(), "block rootfs: flush told to fail");
}

TEST(BlockRestTest, HasNothingToMakeDurableWhereItIsReadOnly) {
  Bench bench({.access = Access::kReadOnly});
  bench.rig.Save();
  EXPECT_TRUE(bench.disk.calls.empty());
}

TEST(BlockRestTest, TellsARestoredDriverOfAnotherCapacity) {
  Bench bench;
  const SavedMmio saved = bench.rig.Save();
  for (const uint64_t sectors : {kSectors, 2 * kSectors}) {
    const auto device =
        *BlockDevice::Create(std::make_unique<MemoryDisk>(sectors * 512),
                             {.drive_id = "rootfs",
                              .cache_type = CacheType::kWriteback,
                              .known_capacity_sectors = bench.device.capacity_sectors()});
    FakeInterruptLine line;
    const auto copy = *MmioTransport::Create(*device, bench.rig.ram.memory(), line);
    ASSERT_TRUE(copy->Restore(saved));
    EXPECT_EQ(line.count(), sectors == kSectors ? 0 : 1);
    EXPECT_EQ(MmioDriver(*copy).ReadWide(reg::kConfig, 8), sectors);
  }
}

}  // namespace
}  // namespace ember::virtio::testing
