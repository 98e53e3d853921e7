// Every damage to header, map and length is seen, by a name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/endian.h"
#include "tests/virtio/block/overlay/overlay_fixture.h"

namespace ember::virtio::testing {
namespace {

using ::testing::HasSubstr;

constexpr size_t kMap = kOverlayHeaderBytes;
constexpr size_t kHeaderFieldsBytes = 64;

class OverlayCorruptionTest : public OverlayTest {
 protected:
  OverlayCorruptionTest() {
    const auto disk = *Open();
    EXPECT_TRUE(WriteAll(*disk, kCluster, Fill(3 * kCluster, 0xaa)).has_value());
    EXPECT_TRUE(disk->ZeroSome(0, kCluster, ZeroMode::kMayDeallocate).has_value());
    EXPECT_TRUE(disk->Flush().has_value());
  }
  std::span<std::byte> At(size_t offset) { return std::span(medium.bytes()).subspan(offset); }
  // Puts the header there with a right checksum.
  void PutHeader(const OverlayHeader& header) {
    std::ranges::copy(EncodeOverlayHeader(header), medium.bytes().begin());
  }
  static OverlayHeader Header() {
    return {.cluster_bytes = kCluster,
            .virtual_size_bytes = kDiskBytes,
            .base = OverlayTest::Options().base};
  }
};

TEST_F(OverlayCorruptionTest, SeesEveryByteOfTheHeader) {
  for (size_t i = 0; i < kOverlayHeaderBytes; ++i) {
    for (size_t bit = 0; bit < 8; ++bit) {
      if (i >= kHeaderFieldsBytes && bit != i % 8) continue;  // one of each, where all is zero
      const auto flip = static_cast<std::byte>(1 << bit);
      medium.bytes()[i] ^= flip;
      ASSERT_NE(OpenError(), "") << "byte " << i << " bit " << bit;
      medium.bytes()[i] ^= flip;
    }
  }
  EXPECT_EQ(OpenError(), "");
}

TEST_F(OverlayCorruptionTest, SeesEveryBitOfTheMap) {
  for (size_t i = kMap; i < kMap + 17 * sizeof(uint64_t); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      const auto flip = static_cast<std::byte>(1 << bit);
      medium.bytes()[i] ^= flip;
      ASSERT_THAT(OpenError(), HasSubstr("corrupt map: the checksum of entry"));
      medium.bytes()[i] ^= flip;
    }
  }
  EXPECT_EQ(OpenError(), "");
}

TEST_F(OverlayCorruptionTest, SeesEveryTruncation) {
  while (medium.bytes().size() > 1) {
    medium.bytes().pop_back();
    ASSERT_NE(OpenError().find("truncated"), std::string::npos) << medium.bytes().size();
  }
}

TEST_F(OverlayCorruptionTest, RefusesWhatIsNotAnOverlay) {
  medium = Medium(Fill(1 << 20, 0));
  EXPECT_THAT(OpenError(), HasSubstr("not an overlay"));
  medium = Medium(Fill(kOverlayHeaderBytes, 0x55));
  EXPECT_THAT(OpenError(), HasSubstr("not an overlay"));
}

TEST_F(OverlayCorruptionTest, MakesAnOverlayWhereItsMakingWasCutShort) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{512}, kMap, kMap + kCluster}) {
    medium = Medium(Fill(size, 0));
    EXPECT_EQ(OpenError(), "") << size;
  }
}

TEST_F(OverlayCorruptionTest, RefusesNewerVersions) {
  StoreLe(uint32_t{2}, At(8));
  EXPECT_THAT(OpenError(), HasSubstr("version 2 is newer than 1"));
  StoreLe(uint32_t{0}, At(8));
  EXPECT_THAT(OpenError(), HasSubstr("version 0 is unknown"));
}

TEST_F(OverlayCorruptionTest, RefusesClusterSizesOutOfRange) {
  for (const uint32_t bytes : {0U, 1U, 2048U, 4097U, 3U << 20, 4U << 20, 0x80000000U}) {
    OverlayHeader header = Header();
    header.cluster_bytes = bytes;
    PutHeader(header);
    EXPECT_THAT(OpenError(), HasSubstr("is not a power of two from 4096 to 2097152")) << bytes;
  }
}

TEST_F(OverlayCorruptionTest, RefusesAVirtualSizeThatIsNotTheBases) {
  OverlayHeader header = Header();
  header.virtual_size_bytes += 512;
  PutHeader(header);
  EXPECT_THAT(OpenError(), HasSubstr("virtual size"));
}

TEST_F(OverlayCorruptionTest, RefusesABaseThatChanged) {
  OverlayDisk::Options options = Options();
  options.base.size_bytes += 512;
  EXPECT_THAT(OpenError(options), HasSubstr("the base has changed: it has 67584 bytes"));
  options = Options();
  options.base.modified_ns += 1;
  EXPECT_THAT(OpenError(options), HasSubstr("the base has changed: it was modified"));
  options = Options();
  options.base.fingerprint ^= 1;
  EXPECT_THAT(OpenError(options), HasSubstr("fingerprint"));
}

TEST_F(OverlayCorruptionTest, RefusesAnEntryInAnothersPlace) {
  const auto entry = LoadLe<uint64_t>(At(kMap + sizeof(uint64_t)));
  StoreLe(entry, At(kMap + 8 * sizeof(uint64_t)));
  EXPECT_THAT(OpenError(), HasSubstr("the checksum of entry 8"));
}

TEST_F(OverlayCorruptionTest, RefusesADataClusterWithTwoOwners) {
  const auto entry = LoadLe<uint64_t>(At(kMap + sizeof(uint64_t)));
  const ClusterPlace place = *DecodeMapEntry(1, entry);
  StoreLe(EncodeMapEntry(8, place), At(kMap + 8 * sizeof(uint64_t)));
  EXPECT_THAT(OpenError(), HasSubstr("entry 8 names data cluster 0, which cannot be its own"));
}

TEST_F(OverlayCorruptionTest, RefusesDataClustersPastTheEnd) {
  for (const uint32_t data_cluster : {3U, 4U, 0x3fffffffU, 0x7ffffffdU, 0xfffffffdU}) {
    StoreLe(EncodeMapEntry(8, ClusterPlace::Data(data_cluster)), At(kMap + 8 * sizeof(uint64_t)));
    EXPECT_THAT(OpenError(), HasSubstr("truncated: map entry 8 names data cluster"));
  }
}

TEST_F(OverlayCorruptionTest, RefusesDataClustersThatNoDiskOfThisSizeNeeds) {
  medium.bytes().resize(8 << 20);
  StoreLe(EncodeMapEntry(8, ClusterPlace::Data(17 + OverlayDisk::kMaxUncommitted + 1)),
          At(kMap + 8 * sizeof(uint64_t)));
  EXPECT_THAT(OpenError(), HasSubstr("cannot be its own"));
}

TEST_F(OverlayCorruptionTest, TakesALongerFile) {
  medium.bytes().resize(medium.bytes().size() + 5000, std::byte{0x77});
  const auto disk = *Open();
  ASSERT_TRUE(WriteAll(*disk, 8 * kCluster, Fill(512, 1)).has_value());
  EXPECT_EQ(Read(*disk, 8 * kCluster + 512, 512), BaseBytes(8 * kCluster + 512, 512));
}

}  // namespace
}  // namespace ember::virtio::testing
