// Discard and write-zeroes (virtio 1.2, 5.2.6; shared/virtio.md, 16).
#include "virtio/block/ranges.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <vector>

#include "tests/virtio/block/block_bench.h"

namespace ember::virtio::testing {
namespace {

constexpr uint64_t kRangeFeatures =
    kBlockFlushFeature | kBlockDiscardFeature | kBlockWriteZeroesFeature;
constexpr uint32_t kUnmapFlag = 1;
using Range = BlockDriver::Range;

Bench::Options Offered(uint64_t features = kRangeFeatures) {
  return {.features = features, .device = {.drive_id = "d", .discard = DiscardSupport::kOffered}};
}

struct RangeBench : Bench {
  explicit RangeBench(const Options& options = Offered()) : Bench(options) {
    disk.bytes.assign(disk.bytes.size(), std::byte{1});
  }
  uint8_t Do(uint32_t type, std::vector<Range> ranges) {
    return driver.DoRanges(type, ranges).status;
  }
  int64_t Count(std::byte value) { return std::ranges::count(disk.bytes, value); }
};

class BlockRangesTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  RangeBench bench;
};

TEST_P(BlockRangesTest, ChangesTheSectorsItNamesAndNoOthers) {
  EXPECT_EQ(bench.Do(GetParam(), {{.sector = 3, .sectors = 5}}), kBlockOk);
  EXPECT_EQ(bench.Count(std::byte{1}), static_cast<int64_t>((kSectors - 5) * 512));
  EXPECT_EQ(bench.disk.bytes[3 * 512 - 1], std::byte{1});
  EXPECT_NE(bench.disk.bytes[3 * 512], std::byte{1});
  EXPECT_EQ(bench.disk.bytes[8 * 512], std::byte{1});
}

TEST_P(BlockRangesTest, TakesAsManyRangesAsItOffersAndNoMore) {
  std::vector<Range> ranges;
  for (uint32_t i = 0; i < 16; ++i) ranges.push_back({.sector = 2 * i, .sectors = 1});
  EXPECT_EQ(bench.Do(GetParam(), ranges), kBlockOk);
  EXPECT_EQ(bench.Count(std::byte{1}), static_cast<int64_t>((kSectors - 16) * 512));
  ranges.push_back({.sector = 100, .sectors = 1});
  EXPECT_EQ(bench.Do(GetParam(), ranges), kBlockIoError);
  EXPECT_EQ(bench.disk.bytes[100 * 512], std::byte{1});
}

TEST_P(BlockRangesTest, RefusesARangePastTheEnd) {
  constexpr uint64_t kMax64 = std::numeric_limits<uint64_t>::max();
  for (const Range range :
       {Range{.sector = kSectors, .sectors = 1}, Range{.sector = kSectors - 1, .sectors = 2},
        Range{.sector = kMax64, .sectors = 1}, Range{.sector = kMax64 / 512, .sectors = 1},
        Range{.sector = kMax64 / 512 + 1, .sectors = 1},
        Range{.sector = 0, .sectors = kSectors + 1}, Range{.sector = 0, .sectors = 0xffffffff}}) {
    EXPECT_EQ(bench.Do(GetParam(), {range}), kBlockIoError) << range.sector;
  }
  EXPECT_EQ(bench.Count(std::byte{1}), static_cast<int64_t>(kSectors * 512));
  EXPECT_EQ(bench.Do(GetParam(), {{.sector = kSectors - 1, .sectors = 1}}), kBlockOk);
}

TEST_P(BlockRangesTest, DoesNothingWhereOneOfSeveralRangesIsWrong) {
  EXPECT_EQ(bench.Do(GetParam(), {{.sector = 0, .sectors = 4}, {.sector = kSectors, .sectors = 1}}),
            kBlockIoError);
  EXPECT_EQ(bench.Count(std::byte{1}), static_cast<int64_t>(kSectors * 512));
}

TEST_P(BlockRangesTest, TakesARangeOfNoSectors) {
  EXPECT_EQ(bench.Do(GetParam(), {{.sector = 0, .sectors = 0}, {.sector = 1, .sectors = 1}}),
            kBlockOk);
  EXPECT_EQ(bench.Count(std::byte{1}), static_cast<int64_t>((kSectors - 1) * 512));
}

TEST_P(BlockRangesTest, RefusesDataThatAreNoWholeRanges) {
  for (const uint32_t len : {0U, 1U, 15U, 17U, 31U}) {
    const std::vector<uint32_t> readable{16 + len};
    const std::vector<uint32_t> writable{1};
    const auto request = bench.driver.PutSplit(GetParam(), 0, readable, writable);
    bench.driver.Kick();
    bench.rig.Pump();
    EXPECT_EQ(bench.driver.Take(request)->status, kBlockIoError) << len;
  }
}

TEST_P(BlockRangesTest, TakesARangeSplitOverBuffers) {
  const std::vector<uint32_t> readable{16, 7, 1, 8};
  const std::vector<uint32_t> writable{1};
  const auto request = bench.driver.PutSplit(GetParam(), 0, readable, writable);
  const Range range{.sector = 9, .sectors = 1};
  std::ranges::copy(std::as_bytes(std::span(&range, 1)),
                    bench.rig.ram.Bytes(request.data, 16).begin());
  bench.driver.Kick();
  bench.rig.Pump();
  EXPECT_EQ(bench.driver.Take(request)->status, kBlockOk);
  EXPECT_NE(bench.disk.bytes[9 * 512], std::byte{1});
}

TEST_P(BlockRangesTest, RefusesFlagsItDoesNotKnow) {
  for (uint32_t bit = 1; bit < 32; ++bit) {
    EXPECT_EQ(bench.Do(GetParam(), {{.sector = 0, .sectors = 1, .flags = uint32_t{1} << bit}}),
              kBlockUnsupported);
  }
  EXPECT_EQ(bench.Count(std::byte{1}), static_cast<int64_t>(kSectors * 512));
}

TEST_P(BlockRangesTest, IsUnsupportedWhereItWasNotNegotiated) {
  RangeBench declined(Offered(kBlockFlushFeature));
  EXPECT_EQ(declined.Do(GetParam(), {{.sector = 0, .sectors = 1}}), kBlockUnsupported);
  EXPECT_EQ(declined.Count(std::byte{1}), static_cast<int64_t>(kSectors * 512));
}

TEST_P(BlockRangesTest, IsDurableAtOnceWhereTheDriverDeclinedTheFlush) {
  RangeBench bench_without_flush(Offered(kBlockDiscardFeature | kBlockWriteZeroesFeature));
  EXPECT_EQ(bench_without_flush.Do(GetParam(), {{.sector = 0, .sectors = 1}}), kBlockOk);
  EXPECT_EQ(bench_without_flush.disk.calls.back(), "flush");
}

TEST_P(BlockRangesTest, CountsNoByteButTheStatus) {
  const Range range{.sector = 0, .sectors = 1};
  EXPECT_EQ(bench.driver.DoRanges(GetParam(), std::span(&range, 1)).used_len, 1U);
}

INSTANTIATE_TEST_SUITE_P(Types, BlockRangesTest,
                         ::testing::Values(kBlockDiscard, kBlockWriteZeroes), [](const auto& test) {
                           return std::string(test.param == kBlockDiscard ? "Discard" : "Zeroes");
                         });

TEST(BlockRangesTest, UnmapsOnlyWithZeroes) {
  RangeBench bench;
  const Range range{.sector = 0, .sectors = 1, .flags = kUnmapFlag};
  EXPECT_EQ(bench.Do(kBlockWriteZeroes, {range}), kBlockOk);
  EXPECT_EQ(bench.Do(kBlockDiscard, {range}), kBlockUnsupported);
}

TEST(BlockRangesTest, WritesZeros) {
  RangeBench bench;
  EXPECT_EQ(bench.Do(kBlockWriteZeroes, {{.sector = 1, .sectors = kSectors - 1}}), kBlockOk);
  EXPECT_EQ(bench.Count(std::byte{0}), static_cast<int64_t>((kSectors - 1) * 512));
}

TEST(BlockRangesTest, TellsItsLimitsInTheConfiguration) {
  RangeBench bench;
  const MmioDriver& driver = bench.rig.driver;
  EXPECT_EQ(driver.Read(reg::kConfig + 36), DiskRanges::kMaxSectors);  // max_discard_sectors
  EXPECT_EQ(driver.Read(reg::kConfig + 40), 16U);                      // max_discard_seg
  EXPECT_EQ(driver.Read(reg::kConfig + 44), 8U);                       // discard_sector_alignment
  EXPECT_EQ(driver.Read(reg::kConfig + 48), DiskRanges::kMaxSectors);  // max_write_zeroes_sectors
  EXPECT_EQ(driver.Read(reg::kConfig + 52), 16U);                      // max_write_zeroes_seg
  EXPECT_EQ(driver.ReadWide(reg::kConfig + 56, 1), 1U);                // write_zeroes_may_unmap
}

TEST(BlockRangesTest, RefusesMoreSectorsThanItsLimit) {
  constexpr uint64_t kCapacity = uint64_t{1} << 40;
  const Range range{.sector = 0, .sectors = DiskRanges::kMaxSectors + 1};
  std::vector<std::byte> bytes(16);
  std::ranges::copy(std::as_bytes(std::span(&range, 1)), bytes.begin());
  iovec piece{.iov_base = bytes.data(), .iov_len = bytes.size()};
  Buffers data({&piece, 1}, bytes.size());
  EXPECT_EQ(ParseRanges(kBlockDiscard, data, kCapacity).error(), BlockStatus::kIoError);
}

TEST(BlockRangesTest, IsNotOfferedForAReadOnlyDisk) {
  Bench::Options options = Offered(kBlockFlushFeature);
  options.access = Access::kReadOnly;
  RangeBench bench(options);
  EXPECT_EQ(bench.rig.driver.DeviceFeatures() & (kBlockDiscardFeature | kBlockWriteZeroesFeature),
            0U);
}

TEST(BlockRangesTest, DoesLargeRangesInBoundedPieces) {
  Bench::Options options = Offered();
  options.size_bytes = uint64_t{32} << 20;
  RangeBench bench(options);
  bench.rig.Pump();
  const Range range{.sector = 0, .sectors = (32 << 20) / 512};
  const GuestAddress data = bench.rig.ram.Allocate(16);
  std::ranges::copy(std::as_bytes(std::span(&range, 1)), bench.rig.ram.Bytes(data, 16).begin());
  bench.driver.Put(kBlockWriteZeroes, 0, data, 16);
  bench.driver.Kick();
  EXPECT_TRUE(bench.rig.PumpOnce());
  EXPECT_LE(bench.disk.calls.size(), 4U);
  EXPECT_LE(bench.disk.largest_call_bytes, uint64_t{1} << 20);
  bench.rig.Pump();
  EXPECT_EQ(bench.Count(std::byte{0}), int64_t{32} << 20);
}

TEST(BlockUnsupportedTest, AnswersTypesThatItDoesNotOfferAndTouchesNothing) {
  RangeBench bench;
  const GuestAddress data = bench.rig.ram.Allocate(512);
  // Secure erase, get lifetime, and the zoned ones.
  for (const uint32_t type : {10U, 14U, 15U, 16U, 17U, 18U, 20U, 22U, 24U, 26U, 0xffffffffU}) {
    EXPECT_EQ(bench.driver.Do(type, 0, data, 512).status, kBlockUnsupported) << type;
  }
  EXPECT_TRUE(bench.disk.calls.empty());
}

}  // namespace
}  // namespace ember::virtio::testing
