// Flushes, failing hosts, bursts and bounds on work, resets and dirty pages (shared/virtio.md, 13
// and 16).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "tests/virtio/block/block_bench.h"

namespace ember::virtio::testing {
namespace {

TEST(BlockFlushTest, ComesAfterTheWritesBeforeIt) {
  Bench bench;
  const auto data = Pattern(512, 4);
  bench.driver.Write(1, data);
  EXPECT_TRUE(bench.disk.durable.empty());
  EXPECT_EQ(bench.driver.Do(kBlockFlush, 0, {}, 0).status, kBlockOk);
  EXPECT_EQ(bench.disk.calls, (std::vector<std::string>{"write", "flush"}));
  EXPECT_EQ(std::memcmp(bench.disk.durable.data() + 512, data.data(), 512), 0);
}

TEST(BlockFlushTest, KeepsItsPlaceInABatch) {
  Bench bench;
  const GuestAddress data = bench.rig.ram.Allocate(512);
  bench.driver.Put(kBlockOut, 0, data, 512);
  bench.driver.Put(kBlockFlush, 0, {}, 0);
  bench.driver.Put(kBlockOut, 1, data, 512);
  bench.driver.Put(kBlockIn, 2, data, 512);
  bench.driver.Kick();
  bench.rig.Pump();
  EXPECT_EQ(bench.disk.calls, (std::vector<std::string>{"write", "flush", "write", "read"}));
  EXPECT_EQ(bench.rig.line.count(), 1);
}

TEST(BlockFlushTest, FailsWhereTheHostFails) {
  Bench bench;
  bench.disk.faults[0] = MemoryDisk::Fault::kError;
  EXPECT_EQ(bench.driver.Do(kBlockFlush, 0, {}, 0).status, kBlockIoError);
  EXPECT_EQ(bench.device.metrics().execute_fails.value(), 1U);
}

TEST(BlockFlushTest, IsUnsupportedWhereItWasNotNegotiated) {
  Bench unsafe({.cache_type = CacheType::kUnsafe, .features = 0});
  EXPECT_EQ(unsafe.driver.Do(kBlockFlush, 0, {}, 0).status, kBlockUnsupported);
  Bench declined({.features = 0});
  EXPECT_EQ(declined.driver.Do(kBlockFlush, 0, {}, 0).status, kBlockUnsupported);
}

TEST(BlockFlushTest, FollowsEachWriteWhereTheDriverDeclinedIt) {
  Bench bench({.features = 0});
  bench.driver.Write(0, Pattern(512, 1));
  EXPECT_EQ(bench.disk.calls, (std::vector<std::string>{"write", "flush"}));
}

TEST(BlockFlushTest, NeverHappensWithTheUnsafeCache) {
  Bench bench({.cache_type = CacheType::kUnsafe, .features = 0});
  bench.driver.Write(0, Pattern(512, 1));
  EXPECT_EQ(bench.disk.calls, std::vector<std::string>{"write"});
}

TEST(BlockFlushTest, WorksOnAReadOnlyDisk) {
  Bench bench({.access = Access::kReadOnly});
  EXPECT_EQ(bench.driver.Do(kBlockFlush, 0, {}, 0).status, kBlockOk);
}

// A request of 8 KiB in buffers of 512 whose host calls each move half, or one byte, goes on until
// it is done, and every failure on the way is told: at each call, for each fault.
class BlockFaultTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  static constexpr uint32_t kLen = 8192;

  struct Run {
    BlockDriver::Answer answer;
    size_t calls = 0;
    bool intact = false;
  };

  Run RunWith(const std::map<size_t, MemoryDisk::Fault>& faults) {
    Bench bench;
    bench.disk.bytes = Pattern(kSectors * 512, 5);
    bench.disk.faults = faults;
    const bool write = GetParam() == kBlockOut;
    std::vector<uint32_t> readable{16}, writable;
    for (uint32_t i = 0; i < kLen / 512; ++i) (write ? readable : writable).push_back(512);
    writable.push_back(1);
    const auto request = bench.driver.PutSplit(GetParam(), 3, readable, writable);
    const std::span<std::byte> data = bench.rig.ram.Bytes(request.data, kLen);
    if (write) std::ranges::copy(Pattern(kLen, 6), data.begin());
    bench.driver.Kick();
    bench.rig.Pump();
    Run run{.answer = bench.driver.Take(request).value_or(BlockDriver::Answer{}),
            .calls = bench.disk.calls.size()};
    run.intact = std::memcmp(data.data(), bench.disk.bytes.data() + 3 * 512, kLen) == 0;
    EXPECT_FALSE(bench.needs_reset());
    return run;
  }
};

TEST_P(BlockFaultTest, GoesOnAfterShortCallsAtEachIndex) {
  for (const auto fault : {MemoryDisk::Fault::kHalf, MemoryDisk::Fault::kOneByte}) {
    for (size_t first = 0; first < 12; ++first) {
      std::map<size_t, MemoryDisk::Fault> faults;
      for (size_t call = 0; call <= first; ++call) faults[call] = fault;
      const Run run = RunWith(faults);
      EXPECT_EQ(run.answer.status, kBlockOk) << first;
      EXPECT_TRUE(run.intact) << first;
      EXPECT_EQ(run.calls, first + 2);
    }
  }
}

TEST_P(BlockFaultTest, ReportsAFailureAtEachIndex) {
  for (const auto fault : {MemoryDisk::Fault::kError, MemoryDisk::Fault::kNothing}) {
    for (size_t failing = 0; failing < 12; ++failing) {
      std::map<size_t, MemoryDisk::Fault> faults;
      for (size_t call = 0; call < failing; ++call) faults[call] = MemoryDisk::Fault::kHalf;
      faults[failing] = fault;
      const Run run = RunWith(faults);
      EXPECT_EQ(run.answer.status, kBlockIoError) << failing;
      EXPECT_EQ(run.calls, failing + 1) << "a failed call must not be repeated";
      // What the first calls put down, halving what was left each time; for a write the status.
      uint32_t left = kLen;
      for (size_t call = 0; call < failing; ++call) left -= std::max(1U, left / 2);
      EXPECT_EQ(run.answer.used_len, GetParam() == kBlockIn ? kLen - left : 1U);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Directions, BlockFaultTest, ::testing::Values(kBlockIn, kBlockOut),
                         [](const auto& test) {
                           return std::string(test.param == kBlockIn ? "Read" : "Write");
                         });

TEST(BlockFaultTest, GoesOnWithTheNextRequestAfterAFailure) {
  Bench bench;
  bench.disk.faults[0] = MemoryDisk::Fault::kError;
  EXPECT_EQ(bench.driver.Write(0, Pattern(512, 1)).status, kBlockIoError);
  EXPECT_EQ(bench.driver.Write(0, Pattern(512, 1)).status, kBlockOk);
}

TEST(BlockBatchTest, InterruptsOnceForABurst) {
  Bench bench;
  const GuestAddress data = bench.rig.ram.Allocate(512);
  for (int i = 0; i < 20; ++i) bench.driver.Put(kBlockIn, 0, data, 512);
  bench.driver.Kick();
  bench.rig.Pump();
  EXPECT_EQ(bench.driver.ring().used_index(), 20);
  EXPECT_EQ(bench.rig.line.count(), 1);
}

TEST(BlockBatchTest, LeavesOutInterruptsThatTheDriverDoesNotWant) {
  Bench bench({.features = kBlockFlushFeature | kEventIndexFeature64});
  const GuestAddress data = bench.rig.ram.Allocate(512);
  bench.driver.ring().SetUsedEvent(30);
  for (int i = 0; i < 10; ++i) {
    bench.driver.Do(kBlockIn, 0, data, 512);
  }
  EXPECT_EQ(bench.rig.line.count(), 0);
  bench.driver.ring().SetUsedEvent(10);
  bench.driver.Do(kBlockIn, 0, data, 512);
  EXPECT_EQ(bench.rig.line.count(), 1);
}

TEST(BlockBatchTest, CountsAWakeUpWithoutARequest) {
  Bench bench;
  bench.rig.Pump();
  const uint64_t before = bench.device.metrics().no_avail_buffer.value();
  bench.rig.driver.Notify(0);
  bench.rig.Pump();
  EXPECT_EQ(bench.device.metrics().no_avail_buffer.value(), before + 1);
}

// A request as large as the guest can make it is done in pieces, with the loop free in between.
TEST(BlockBudgetTest, DoesALargeRequestInBoundedPieces) {
  constexpr uint64_t kDiskBytes = uint64_t{64} << 20;
  Bench bench({.size_bytes = kDiskBytes});
  bench.rig.Pump();
  // 16 buffers that all lie over the same 4 MiB.
  const uint32_t kBufferBytes = uint32_t{4} << 20;
  std::vector<Segment> segments{{bench.rig.ram.Allocate(16), 16, false}};
  const GuestAddress data = bench.rig.ram.Allocate(0);
  for (int i = 0; i < 16; ++i) segments.push_back({data, kBufferBytes, true});
  const GuestAddress status{0x10};
  segments.push_back({status, 1, true});
  bench.driver.ring().Add(segments);
  bench.driver.Kick();
  int wake_ups = 0;
  while (bench.driver.ring().used_index() == 0) {
    ASSERT_TRUE(bench.rig.PumpOnce());
    ++wake_ups;
    const auto most = static_cast<size_t>(wake_ups) *
                      static_cast<size_t>(BlockSession::kBudgetBytes) / RequestSteps::kMaxStepBytes;
    EXPECT_LE(bench.disk.calls.size(), most);
  }
  EXPECT_GE(wake_ups, 16);
  EXPECT_LE(bench.disk.largest_call_bytes, RequestSteps::kMaxStepBytes);
  EXPECT_EQ(bench.driver.ring().TakeUsed()->len, kDiskBytes + 1);
  EXPECT_GE(bench.device.metrics().remaining_reqs_count.value(), 15U);
}

TEST(BlockBudgetTest, EndsAWakeUpAfterABoundedNumberOfRequests) {
  Bench bench;
  bench.rig.Pump();
  // Each of 30 heads again and again is the most a hostile driver can keep up; a flush costs most.
  for (int i = 0; i < 30; ++i) bench.driver.Put(kBlockFlush, 0, {}, 0);
  bench.driver.Kick();
  EXPECT_TRUE(bench.rig.PumpOnce());
  EXPECT_LE(bench.disk.calls.size(), 4U);
  bench.rig.Pump();
  EXPECT_EQ(bench.driver.ring().used_index(), 30);
}

TEST(BlockResetTest, DropsARequestThatIsHalfDone) {
  Bench bench({.size_bytes = uint64_t{16} << 20});
  bench.rig.Pump();
  const GuestAddress data = bench.rig.ram.Allocate(0);
  bench.driver.Put(kBlockIn, 0, data, uint32_t{5} << 20);
  bench.driver.Kick();
  ASSERT_TRUE(bench.rig.PumpOnce());
  ASSERT_EQ(bench.driver.ring().used_index(), 0);
  ASSERT_GE(bench.disk.calls.size(), 1U);
  const size_t calls = bench.disk.calls.size();
  bench.rig.driver.Write(reg::kStatus, 0);
  EXPECT_EQ(bench.rig.driver.status(), 0U);
  bench.rig.Pump();
  EXPECT_EQ(bench.disk.calls.size(), calls);
  EXPECT_EQ(bench.driver.ring().used_index(), 0);
}

TEST(BlockResetTest, StartsAgainAfterARequestWasDropped) {
  Bench bench({.size_bytes = uint64_t{16} << 20});
  bench.rig.Pump();
  bench.driver.Put(kBlockIn, 0, bench.rig.ram.Allocate(0), uint32_t{5} << 20);
  bench.driver.Kick();
  ASSERT_TRUE(bench.rig.PumpOnce());
  BlockDriver again(bench.rig, kBlockFlushFeature);
  BlockDriver::Answer answer;
  again.Read(0, 512, &answer);
  EXPECT_EQ(answer.status, kBlockOk);
}

TEST(BlockResetTest, AllowsTheDeviceToGoWhileARequestIsHalfDone) {
  Bench bench({.size_bytes = uint64_t{16} << 20});
  bench.rig.Pump();
  bench.driver.Put(kBlockIn, 0, bench.rig.ram.Allocate(0), uint32_t{5} << 20);
  bench.driver.Kick();
  EXPECT_TRUE(bench.rig.PumpOnce());
}

TEST(BlockDirtyTest, MarksDataAndStatus) {
  Bench bench({.track_dirty_pages = true});
  const GuestAddress data = bench.rig.ram.Allocate(8192, 4096);
  auto& dirty = *const_cast<DirtyPages*>(bench.rig.ram.memory().dirty_pages());
  const auto request = bench.driver.Put(kBlockIn, 0, data, 8192);
  bench.driver.Kick();
  dirty.Take(0);
  bench.rig.Pump();
  const std::vector<uint64_t> words = dirty.Take(0);
  const auto is_dirty = [&](GuestAddress at) {
    const uint64_t page = ToInteger(at) / 4096;
    return ((words[page / 64] >> (page % 64)) & 1) != 0;
  };
  EXPECT_TRUE(is_dirty(data));
  EXPECT_TRUE(is_dirty(data + 4096));
  EXPECT_FALSE(is_dirty(data + 8192));
  EXPECT_TRUE(is_dirty(request.status));
  EXPECT_TRUE(is_dirty(bench.driver.ring().place().used));
}

}  // namespace
}  // namespace ember::virtio::testing
