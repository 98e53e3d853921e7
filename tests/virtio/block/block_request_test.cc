// Requests in any layout, the bounds they must keep, and what is answered to each type (virtio 1.2,
// 5.2.6; shared/virtio.md, 5 and 16).
#include "virtio/block/request.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "tests/virtio/block/block_bench.h"

namespace ember::virtio::testing {
namespace {

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

}  // namespace
}  // namespace ember::virtio::testing
