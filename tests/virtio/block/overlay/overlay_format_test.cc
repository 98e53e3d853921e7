#include "virtio/block/overlay/format.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/endian.h"
#include "tests/virtio/block/overlay/overlay_fixture.h"
#include "virtio/block/overlay/data_clusters.h"

namespace ember::virtio::testing {
namespace {

const std::string kGolden = std::string(EMBER_OVERLAY_GOLDEN) + "/overlay_v1.bin";

std::vector<std::byte> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::byte> bytes;
  for (std::istreambuf_iterator<char> at(file), end; at != end; ++at) {
    bytes.push_back(static_cast<std::byte>(*at));
  }
  return bytes;
}

// What the golden file holds: a written cluster, a partly written one, one of zeros.
class GoldenOverlayTest : public OverlayTest {
 protected:
  void WriteGolden() {
    const auto disk = *Open();
    ASSERT_TRUE(WriteAll(*disk, 3 * kCluster, Fill(kCluster, 0xa5)).has_value());
    ASSERT_TRUE(WriteAll(*disk, 7 * kCluster + 512, Fill(512, 0x5a)).has_value());
    ASSERT_TRUE(disk->ZeroSome(9 * kCluster, kCluster, ZeroMode::kMayDeallocate).has_value());
  }
};

TEST_F(GoldenOverlayTest, IsWrittenByteForByte) {
  WriteGolden();
  EXPECT_EQ(medium.bytes(), ReadFile(kGolden));
}

TEST_F(GoldenOverlayTest, IsReadAsItWasWritten) {
  medium = Medium(ReadFile(kGolden));
  const auto disk = *Open();
  EXPECT_EQ(Read(*disk, 0, 3 * kCluster), BaseBytes(0, 3 * kCluster));
  EXPECT_EQ(Read(*disk, 3 * kCluster, kCluster), Fill(kCluster, 0xa5));
  EXPECT_EQ(Read(*disk, 7 * kCluster, 512), BaseBytes(7 * kCluster, 512));
  EXPECT_EQ(Read(*disk, 7 * kCluster + 512, 512), Fill(512, 0x5a));
  EXPECT_EQ(Read(*disk, 7 * kCluster + 1024, kCluster), BaseBytes(7 * kCluster + 1024, kCluster));
  EXPECT_EQ(Read(*disk, 9 * kCluster, kCluster), Fill(kCluster, 0));
}

// The offsets that docs/formats/overlay.md gives.
TEST(OverlayFormatTest, PutsTheHeadersFieldsWhereItsPageSays) {
  const OverlayHeaderBytes bytes = EncodeOverlayHeader(
      {.cluster_bytes = 8192,
       .virtual_size_bytes = 0x1122334455,
       .base = {.size_bytes = 0x1122334455, .modified_ns = 77, .fingerprint = 0xaabbccdd}});
  const std::span<const std::byte> all(bytes);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), 8), "EMBEROVL");
  EXPECT_EQ(LoadLe<uint32_t>(all.subspan(8)), 1U);
  EXPECT_NE(LoadLe<uint32_t>(all.subspan(12)), 0U);
  EXPECT_EQ(LoadLe<uint64_t>(all.subspan(16)), 0U);
  EXPECT_EQ(LoadLe<uint32_t>(all.subspan(24)), 8192U);
  EXPECT_EQ(LoadLe<uint64_t>(all.subspan(32)), 0x1122334455U);
  EXPECT_EQ(LoadLe<uint64_t>(all.subspan(40)), 0x1122334455U);
  EXPECT_EQ(LoadLe<uint64_t>(all.subspan(48)), 77U);
  EXPECT_EQ(LoadLe<uint32_t>(all.subspan(56)), 0xaabbccddU);
}

TEST(OverlayFormatTest, DecodesTheHeaderItEncoded) {
  const OverlayHeader header{.cluster_bytes = kMaxClusterBytes,
                             .virtual_size_bytes = 12345,
                             .base = {.size_bytes = 12345, .modified_ns = 99, .fingerprint = 1}};
  EXPECT_EQ(*DecodeOverlayHeader(EncodeOverlayHeader(header)), header);
}

TEST(OverlayFormatTest, DecodesTheEntriesItEncoded) {
  for (const uint32_t cluster : {0U, 1U, 12345U, 0x3fffffffU}) {
    for (const ClusterPlace place : {ClusterPlace::Base(), ClusterPlace::Zeros(),
                                     ClusterPlace::Data(0), ClusterPlace::Data(0x40000000)}) {
      EXPECT_EQ(*DecodeMapEntry(cluster, EncodeMapEntry(cluster, place)), place);
    }
  }
  EXPECT_EQ(EncodeMapEntry(5, ClusterPlace::Base()), 0U);
}

TEST(OverlayFormatTest, PlacesDataAfterTheMapAtAWholeCluster) {
  const OverlayLayout layout = *OverlayLayout::Create(65536, uint64_t{10} << 30);
  EXPECT_EQ(layout.cluster_count(), 163840U);
  EXPECT_EQ(layout.EntryOffset(2), 4112U);
  EXPECT_EQ(layout.data_offset(), 21U * 65536);
  EXPECT_EQ(layout.DataOffset(3), 24U * 65536);
}

TEST(DataClustersTest, TakesTheLowestThatIsFree) {
  DataClusters clusters(130);
  for (uint32_t i = 0; i < 130; ++i) ASSERT_EQ(clusters.Take(), i);
  clusters.GiveBack(128);
  clusters.GiveBack(3);
  EXPECT_EQ(clusters.Take(), 3U);
  EXPECT_EQ(clusters.Take(), 128U);
}

TEST(DataClustersTest, KeepsWhatIsRetiredUntilTheMapIsDurable) {
  DataClusters clusters(2);
  EXPECT_EQ(clusters.Take(), 0U);
  clusters.Retire(0);
  EXPECT_EQ(clusters.Take(), 1U);
  clusters.FreeRetired();
  EXPECT_EQ(clusters.Take(), 0U);
}

TEST(DataClustersTest, IsClaimedOnceAndInRange) {
  DataClusters clusters(65);
  EXPECT_TRUE(clusters.Claim(64));
  EXPECT_FALSE(clusters.Claim(64));
  EXPECT_FALSE(clusters.Claim(65));
}

}  // namespace
}  // namespace ember::virtio::testing
