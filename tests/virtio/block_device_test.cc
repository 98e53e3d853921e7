#include "virtio/block/block_device.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/virtio/driver/block_driver.h"
#include "tests/virtio/driver/memory_disk.h"

namespace ember::virtio::testing {
namespace {

constexpr uint64_t kSectors = 128;

struct Bench {
  struct Options {
    uint64_t size_bytes = kSectors * 512;
    Access access = Access::kReadWrite;
    CacheType cache_type = CacheType::kWriteback;
    uint64_t features = kBlockFlushFeature;
    bool track_dirty_pages = false;
  };

  explicit Bench(const Options& options)
      : owned_disk(std::make_unique<MemoryDisk>(options.size_bytes, options.access)),
        disk(*owned_disk),
        device(std::move(owned_disk), {.drive_id = "rootfs", .cache_type = options.cache_type}),
        rig(device, options.track_dirty_pages),
        driver(rig, options.features) {}
  Bench() : Bench(Options{}) {}

  bool needs_reset() const { return (rig.driver.status() & kNeedsReset) != 0; }

  std::unique_ptr<MemoryDisk> owned_disk;
  MemoryDisk& disk;
  BlockDevice device;
  Rig rig;
  BlockDriver driver;
};

std::vector<std::byte> Pattern(size_t size, unsigned seed) {
  std::minstd_rand random(seed);
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

TEST(BlockDeviceTest, OffersWhatItDoes) {
  const uint64_t common =
      kVersion1Feature | kIndirectFeature | kEventIndexFeature64 | 1 << 2 | 1 << 6;
  const auto offered = [](Access access, CacheType cache_type) {
    return Bench({.access = access, .cache_type = cache_type, .features = 0})
        .rig.driver.DeviceFeatures();
  };
  EXPECT_EQ(offered(Access::kReadWrite, CacheType::kUnsafe), common);
  EXPECT_EQ(offered(Access::kReadWrite, CacheType::kWriteback), common | kBlockFlushFeature);
  EXPECT_EQ(offered(Access::kReadOnly, CacheType::kUnsafe), common | kBlockReadOnlyFeature);
  EXPECT_EQ(offered(Access::kReadOnly, CacheType::kWriteback),
            common | kBlockReadOnlyFeature | kBlockFlushFeature);
}

TEST(BlockDeviceTest, TellsItsGeometryInItsConfiguration) {
  Bench bench;
  const MmioDriver& driver = bench.rig.driver;
  EXPECT_EQ(driver.Read(reg::kDeviceId), 2U);
  EXPECT_EQ(driver.ReadWide(reg::kConfig + 0, 8), kSectors);
  EXPECT_EQ(driver.Read(reg::kConfig + 8), 0U);     // size_max
  EXPECT_EQ(driver.Read(reg::kConfig + 12), 254U);  // seg_max
  EXPECT_EQ(driver.Read(reg::kConfig + 20), 512U);  // blk_size
  driver.Write(reg::kQueueSel, 0);
  EXPECT_EQ(driver.Read(reg::kQueueNumMax), 256U);
}

TEST(BlockDeviceTest, HasAReadOnlyConfiguration) {
  Bench bench;
  for (uint64_t offset = 0; offset < 128; offset += 4) {
    bench.rig.driver.Write(reg::kConfig + offset, 0xffffffff);
  }
  EXPECT_EQ(bench.rig.driver.ReadWide(reg::kConfig, 8), kSectors);
  EXPECT_EQ(bench.device.metrics().cfg_fails.value(), 32U);
}

TEST(BlockDeviceTest, DoesNotUseBytesAfterTheLastWholeSector) {
  Bench bench({.size_bytes = 3 * 512 + 511});
  EXPECT_EQ(bench.rig.driver.ReadWide(reg::kConfig, 8), 3U);
}

TEST(BlockDeviceTest, WritesAndReadsBack) {
  Bench bench;
  const auto data = Pattern(4096, 1);
  EXPECT_EQ(bench.driver.Write(8, data).status, kBlockOk);
  EXPECT_EQ(std::memcmp(bench.disk.bytes.data() + 8 * 512, data.data(), data.size()), 0);
  EXPECT_EQ(bench.driver.Read(8, 4096), data);
}

TEST(BlockDeviceTest, CountsBytesWrittenToTheDriver) {
  Bench bench;
  BlockDriver::Answer answer;
  bench.driver.Read(0, 4096, &answer);
  EXPECT_EQ(answer.used_len, 4097U);
  EXPECT_EQ(bench.driver.Write(0, Pattern(512, 1)).used_len, 1U);
  EXPECT_EQ(bench.driver.Do(kBlockFlush, 0, {}, 0).used_len, 1U);
}

TEST(BlockDeviceTest, KeepsItsMetrics) {
  Bench bench;
  bench.driver.Write(0, Pattern(1024, 1));
  bench.driver.Read(0, 512);
  bench.driver.Do(kBlockFlush, 0, {}, 0);
  const BlockMetrics& metrics = bench.device.metrics();
  EXPECT_EQ(metrics.write_count.value(), 1U);
  EXPECT_EQ(metrics.write_bytes.value(), 1024U);
  EXPECT_EQ(metrics.read_count.value(), 1U);
  EXPECT_EQ(metrics.read_bytes.value(), 512U);
  EXPECT_EQ(metrics.flush_count.value(), 1U);
  EXPECT_EQ(metrics.invalid_reqs_count.value(), 0U);
}

// Over random sectors and lengths, against a plain copy of the disk.
TEST(BlockDeviceTest, KeepsDataWholeOverRandomRequests) {
  Bench bench;
  std::vector<std::byte> copy(kSectors * 512);
  std::minstd_rand random(7);
  for (unsigned i = 0; i < 3000; ++i) {
    const uint64_t sector = random() % kSectors;
    const auto len = static_cast<uint32_t>(512 * (1 + random() % (kSectors - sector)));
    if (random() % 2 == 0) {
      const auto data = Pattern(len, i);
      ASSERT_EQ(bench.driver.Write(sector, data).status, kBlockOk);
      std::copy(data.begin(), data.end(), copy.begin() + static_cast<long>(sector * 512));
    } else {
      const auto first = copy.begin() + static_cast<long>(sector * 512);
      ASSERT_EQ(bench.driver.Read(sector, len), std::vector<std::byte>(first, first + len));
    }
  }
  EXPECT_EQ(bench.disk.bytes, copy);
}

struct Split {
  const char* name;
  std::vector<uint32_t> header;  // lengths that sum up to 16 and more
  std::vector<uint32_t> tail;    // of what the device writes, but a read's data
};

void PrintTo(const Split& split, std::ostream* out) { *out << split.name; }

class BlockLayoutTest : public ::testing::TestWithParam<Split> {};

TEST_P(BlockLayoutTest, ReadsWhateverTheLayout) {
  Bench bench;
  bench.disk.bytes = Pattern(kSectors * 512, 3);
  std::vector<uint32_t> writable{1000, 24};
  writable.insert(writable.end(), GetParam().tail.begin(), GetParam().tail.end());
  // The tail's bytes but the last are data as well; take them off, to keep whole sectors.
  uint32_t extra = 0;
  for (const uint32_t len : GetParam().tail) extra += len;
  writable[0] -= extra - 1;
  const auto request = bench.driver.PutSplit(kBlockIn, 5, GetParam().header, writable);
  bench.driver.Kick();
  bench.rig.Pump();
  const auto answer = bench.driver.Take(request);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, kBlockOk);
  EXPECT_EQ(answer->used_len, 1025U);
  EXPECT_EQ(std::memcmp(bench.rig.ram.Bytes(request.data, 1024).data(),
                        bench.disk.bytes.data() + 5 * 512, 1024),
            0);
}

TEST_P(BlockLayoutTest, WritesWhateverTheLayout) {
  Bench bench;
  std::vector<uint32_t> readable = GetParam().header;
  readable.insert(readable.end(), {1, 511, 512});
  const auto request = bench.driver.PutSplit(kBlockOut, 5, readable, GetParam().tail);
  const std::span<std::byte> data = bench.rig.ram.Bytes(request.data, 1024);
  std::ranges::copy(Pattern(1024, 9), data.begin());
  bench.driver.Kick();
  bench.rig.Pump();
  const auto answer = bench.driver.Take(request);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, kBlockOk);
  EXPECT_EQ(std::memcmp(data.data(), bench.disk.bytes.data() + 5 * 512, 1024), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, BlockLayoutTest,
    ::testing::Values(
        Split{"Usual", {16}, {1}}, Split{"HeaderInHalves", {8, 8}, {1}},
        Split{"HeaderByteByByte", std::vector<uint32_t>(16, 1), {1}},
        Split{"HeaderCutInSector", {4, 4, 3, 5}, {1}}, Split{"StatusAfterEmpty", {16}, {0, 1}},
        Split{"StatusBeforeEmpty", {16}, {1, 0}}, Split{"EmptyBeforeHeader", {0, 16}, {1}},
        Split{"StatusInLargerBuffer", {16}, {4}}, Split{"StatusOnPageEnd", {15, 1}, {2, 2}}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(BlockLayoutTest, TakesHeaderAndDataInOneBuffer) {
  Bench bench;
  const std::vector<uint32_t> readable{16 + 512}, writable{1};
  const auto request = bench.driver.PutSplit(kBlockOut, 1, readable, writable);
  bench.driver.Kick();
  bench.rig.Pump();
  EXPECT_EQ(bench.driver.Take(request)->status, kBlockOk);
  EXPECT_EQ(bench.device.metrics().write_bytes.value(), 512U);
}

TEST(BlockLayoutTest, TakesAnIndirectRequest) {
  Bench bench({.features = kBlockFlushFeature | kIndirectFeature});
  const GuestAddress at = bench.rig.ram.Allocate(16 + 512 + 1);
  bench.rig.ram.Bytes(at + (16 + 512), 1)[0] = std::byte{kBlockUntouched};
  const std::vector<Segment> segments{
      {at, 16, false}, {at + 16, 512, true}, {at + (16 + 512), 1, true}};
  bench.driver.ring().AddIndirect(segments, bench.rig.ram.Allocate(48));
  bench.driver.Kick();
  bench.rig.Pump();
  EXPECT_EQ(bench.rig.ram.Bytes(at + (16 + 512), 1)[0], std::byte{kBlockOk});
}

class BlockMalformedTest : public ::testing::Test {
 protected:
  // Whether a request of these lengths is a breach.
  static bool IsBreach(uint32_t type, std::vector<uint32_t> readable,
                       std::vector<uint32_t> writable) {
    Bench bench;
    bench.driver.PutSplit(type, 0, readable, writable);
    bench.driver.Kick();
    bench.rig.Pump();
    EXPECT_TRUE(bench.disk.calls.empty());
    return bench.needs_reset();
  }
};

TEST_F(BlockMalformedTest, ARequestWithoutAHeaderIsABreach) {
  EXPECT_TRUE(IsBreach(kBlockIn, {}, {1}));
}
TEST_F(BlockMalformedTest, AHeaderOneByteShortIsABreach) {
  EXPECT_TRUE(IsBreach(kBlockIn, {15}, {1}));
  EXPECT_TRUE(IsBreach(kBlockOut, {8, 7}, {1}));
}
TEST_F(BlockMalformedTest, ARequestWithoutAStatusByteIsABreach) {
  EXPECT_TRUE(IsBreach(kBlockFlush, {16}, {}));
  EXPECT_TRUE(IsBreach(kBlockFlush, {16}, {0}));
}

struct BoundsCase {
  const char* name;
  uint64_t sector;
  uint32_t len;
  uint8_t status;
};

void PrintTo(const BoundsCase& bounds, std::ostream* out) { *out << bounds.name; }

class BlockBoundsTest : public ::testing::TestWithParam<BoundsCase> {};

TEST_P(BlockBoundsTest, HoldForReadsAndWrites) {
  for (const uint32_t type : {kBlockIn, kBlockOut}) {
    Bench bench;
    const GuestAddress data = bench.rig.ram.Allocate(kSectors * 512 + 512);
    const auto answer = bench.driver.Do(type, GetParam().sector, data, GetParam().len);
    EXPECT_EQ(answer.status, GetParam().status);
    EXPECT_FALSE(bench.needs_reset());
    const bool refused = GetParam().status != kBlockOk;
    EXPECT_EQ(bench.device.metrics().invalid_reqs_count.value(), refused ? 1U : 0U);
    if (refused) {
      EXPECT_TRUE(bench.disk.calls.empty());
    }
  }
}

constexpr uint64_t k2To55 = uint64_t{1} << 55;  // times 512 is 2^64
INSTANTIATE_TEST_SUITE_P(
    Bounds, BlockBoundsTest,
    ::testing::Values(BoundsCase{"FirstSector", 0, 512, kBlockOk},
                      BoundsCase{"LastSector", kSectors - 1, 512, kBlockOk},
                      BoundsCase{"WholeDisk", 0, kSectors * 512, kBlockOk},
                      BoundsCase{"NothingAtStart", 0, 0, kBlockOk},
                      BoundsCase{"NothingAtEnd", kSectors, 0, kBlockOk},
                      BoundsCase{"NothingPastEnd", kSectors + 1, 0, kBlockIoError},
                      BoundsCase{"AtEnd", kSectors, 512, kBlockIoError},
                      BoundsCase{"OverEnd", kSectors - 1, 1024, kBlockIoError},
                      BoundsCase{"WholeDiskAndOne", 0, (kSectors + 1) * 512, kBlockIoError},
                      BoundsCase{"OneByte", 0, 1, kBlockIoError},
                      BoundsCase{"OneByteShort", 0, 511, kBlockIoError},
                      BoundsCase{"OneByteMore", 0, 513, kBlockIoError},
                      BoundsCase{"SectorTimes512IsZero", k2To55, 512, kBlockIoError},
                      BoundsCase{"SectorTimes512Is512", k2To55 + 1, 512, kBlockIoError},
                      BoundsCase{"SectorTimes512IsBelowZero", k2To55 - 1, 1024, kBlockIoError},
                      BoundsCase{"Sector2To54", uint64_t{1} << 54, 512, kBlockIoError},
                      BoundsCase{"Sector2To63", uint64_t{1} << 63, 512, kBlockIoError},
                      BoundsCase{"LastSectorNumber", ~uint64_t{0}, 512, kBlockIoError},
                      BoundsCase{"LastSectorNumberTwo", ~uint64_t{0}, 1024, kBlockIoError}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(BlockBoundsTest, AreNoneOnAnEmptyDisk) {
  Bench bench({.size_bytes = 0});
  const GuestAddress data = bench.rig.ram.Allocate(512);
  EXPECT_EQ(bench.driver.Do(kBlockIn, 0, data, 512).status, kBlockIoError);
  EXPECT_EQ(bench.driver.Do(kBlockFlush, 0, {}, 0).status, kBlockOk);
}

TEST(BlockReadOnlyTest, RefusesWritesAndReadsOn) {
  Bench bench({.access = Access::kReadOnly});
  EXPECT_EQ(bench.driver.Write(0, Pattern(512, 1)).status, kBlockIoError);
  EXPECT_TRUE(bench.disk.calls.empty());
  BlockDriver::Answer answer;
  bench.driver.Read(0, 512, &answer);
  EXPECT_EQ(answer.status, kBlockOk);
}

class BlockUnknownTypeTest : public ::testing::TestWithParam<uint32_t> {};

TEST_P(BlockUnknownTypeTest, IsUnsupported) {
  Bench bench;
  const GuestAddress data = bench.rig.ram.Allocate(512);
  EXPECT_EQ(bench.driver.Do(GetParam(), 0, data, 512).status, kBlockUnsupported);
  EXPECT_TRUE(bench.disk.calls.empty());
  EXPECT_FALSE(bench.needs_reset());
  EXPECT_EQ(bench.device.metrics().invalid_reqs_count.value(), 1U);
}

// SCSI, the legacy flush, discard, write-zeroes, secure erase, the legacy barrier, and nonsense.
INSTANTIATE_TEST_SUITE_P(Types, BlockUnknownTypeTest,
                         ::testing::Values(2, 3, 5, 7, 9, 10, 11, 12, 13, 14, 15, 16, 0x80000000,
                                           0x80000001, 0xffffffff),
                         ::testing::PrintToStringParamName());

TEST(BlockGetIdTest, Gives20Bytes) {
  Bench bench;
  const GuestAddress data = bench.rig.ram.Allocate(20);
  const auto answer = bench.driver.Do(kBlockGetId, 0, data, 20);
  EXPECT_EQ(answer.status, kBlockOk);
  EXPECT_EQ(answer.used_len, 21U);
  EXPECT_EQ(std::memcmp(bench.rig.ram.Bytes(data, 20).data(), "memory-disk-serial-1", 20), 0);
}

TEST(BlockGetIdTest, FailsWithLessRoom) {
  Bench bench;
  const GuestAddress data = bench.rig.ram.Allocate(20);
  EXPECT_EQ(bench.driver.Do(kBlockGetId, 0, data, 19).status, kBlockIoError);
  EXPECT_EQ(bench.rig.ram.Bytes(data, 1)[0], std::byte{0});
}

TEST(BlockGetIdTest, LeavesMoreRoomAlone) {
  Bench bench;
  const GuestAddress data = bench.rig.ram.Allocate(21);
  const auto answer = bench.driver.Do(kBlockGetId, 0, data, 21);
  EXPECT_EQ(answer.status, kBlockOk);
  EXPECT_EQ(answer.used_len, 20U);  // the status lies behind a byte that was not written
  EXPECT_EQ(bench.rig.ram.Bytes(data, 21)[20], std::byte{0});
}

TEST(BlockGetIdTest, GoesOverSeveralBuffers) {
  Bench bench;
  const std::vector<uint32_t> readable{16}, writable{7, 13, 1};
  const auto request = bench.driver.PutSplit(kBlockGetId, 0, readable, writable);
  bench.driver.Kick();
  bench.rig.Pump();
  EXPECT_EQ(bench.driver.Take(request)->status, kBlockOk);
  EXPECT_EQ(std::memcmp(bench.rig.ram.Bytes(request.data, 20).data(), "memory-disk-serial-1", 20),
            0);
}

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
                      static_cast<size_t>(BlockDevice::kWakeUpBudgetBytes) /
                      BlockDevice::kMaxStepBytes;
    EXPECT_LE(bench.disk.calls.size(), most);
  }
  EXPECT_GE(wake_ups, 16);
  EXPECT_LE(bench.disk.largest_call_bytes, BlockDevice::kMaxStepBytes);
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
