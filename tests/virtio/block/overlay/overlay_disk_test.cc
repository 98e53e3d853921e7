#include "virtio/block/overlay/overlay_disk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "tests/virtio/block/overlay/overlay_fixture.h"

namespace ember::virtio::testing {
namespace {

using ::testing::HasSubstr;

TEST_F(OverlayTest, ReadsAsItsBaseWhenNew) {
  const auto disk = *Open();
  EXPECT_EQ(disk->size_bytes(), kDiskBytes);
  EXPECT_EQ(disk->access(), Access::kReadWrite);
  EXPECT_EQ(Read(*disk, 0, kDiskBytes), BaseBytes(0, kDiskBytes));
}

TEST_F(OverlayTest, NeverWritesToItsBase) {
  const std::vector<std::byte> before = base.bytes();
  const auto disk = *Open();
  ASSERT_TRUE(WriteAll(*disk, 0, Fill(kDiskBytes, 0xaa)).has_value());
  ASSERT_TRUE(disk->Flush().has_value());
  EXPECT_EQ(base.bytes(), before);
}

TEST_F(OverlayTest, KeepsWhatIsAroundAWriteInsideACluster) {
  const auto disk = *Open();
  ASSERT_TRUE(WriteAll(*disk, kCluster + 512, Fill(512, 0xaa)).has_value());
  EXPECT_EQ(Read(*disk, 0, kCluster + 512), BaseBytes(0, kCluster + 512));
  EXPECT_EQ(Read(*disk, kCluster + 512, 512), Fill(512, 0xaa));
  EXPECT_EQ(Read(*disk, kCluster + 1024, kDiskBytes - kCluster - 1024),
            BaseBytes(kCluster + 1024, kDiskBytes - kCluster - 1024));
}

TEST_F(OverlayTest, WritesAcrossClusters) {
  const auto disk = *Open();
  ASSERT_TRUE(WriteAll(*disk, kCluster - 512, Fill(kCluster + 1024, 0xbb)).has_value());
  EXPECT_EQ(Read(*disk, 0, kCluster - 512), BaseBytes(0, kCluster - 512));
  EXPECT_EQ(Read(*disk, kCluster - 512, kCluster + 1024), Fill(kCluster + 1024, 0xbb));
  EXPECT_EQ(Read(*disk, 2 * kCluster + 512, 512), BaseBytes(2 * kCluster + 512, 512));
}

TEST_F(OverlayTest, MovesBytesInPieces) {
  const auto disk = *Open();
  std::vector<std::byte> in = Fill(3 * kCluster, 0);
  for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::byte>(i * 31 % 251);
  std::vector<iovec> pieces;
  for (size_t at = 0, len = 1; at < in.size(); at += len, len = len * 2 + 1) {
    len = std::min(len, in.size() - at);
    pieces.push_back({.iov_base = in.data() + at, .iov_len = len});
  }
  ASSERT_EQ(*disk->WriteSome(512, pieces), in.size());
  EXPECT_EQ(Read(*disk, 512, in.size()), in);
}

TEST_F(OverlayTest, WritesTheLastClusterThatIsNotWhole) {
  const auto disk = *Open();
  ASSERT_TRUE(WriteAll(*disk, kDiskBytes - 512, Fill(512, 0xcc)).has_value());
  EXPECT_EQ(Read(*disk, kDiskBytes - 1536, 1024), BaseBytes(kDiskBytes - 1536, 1024));
  EXPECT_EQ(Read(*disk, kDiskBytes - 512, 512), Fill(512, 0xcc));
}

TEST_F(OverlayTest, IsThereAgainWhenOpenedAgain) {
  {
    const auto disk = *Open();
    ASSERT_TRUE(WriteAll(*disk, 5 * kCluster, Fill(2 * kCluster, 0xdd)).has_value());
    ASSERT_TRUE(disk->ZeroSome(9 * kCluster, kCluster, ZeroMode::kMayDeallocate).has_value());
  }
  const auto disk = *Open();
  EXPECT_EQ(Read(*disk, 5 * kCluster, 2 * kCluster), Fill(2 * kCluster, 0xdd));
  EXPECT_EQ(Read(*disk, 9 * kCluster, kCluster), Fill(kCluster, 0));
  EXPECT_EQ(Read(*disk, 0, 5 * kCluster), BaseBytes(0, 5 * kCluster));
}

TEST_F(OverlayTest, DiscardsWholeClustersOfItsOwnOnly) {
  const auto disk = *Open();
  ASSERT_TRUE(WriteAll(*disk, 0, Fill(3 * kCluster, 0xee)).has_value());
  ASSERT_EQ(*disk->DiscardSome(512, 4 * kCluster), 4 * kCluster);
  EXPECT_EQ(Read(*disk, 0, kCluster), Fill(kCluster, 0xee));
  EXPECT_EQ(Read(*disk, kCluster, 2 * kCluster), Fill(2 * kCluster, 0));
  EXPECT_EQ(Read(*disk, 3 * kCluster, kCluster), BaseBytes(3 * kCluster, kCluster));
}

TEST_F(OverlayTest, ZeroesAnyRange) {
  const auto disk = *Open();
  ASSERT_TRUE(WriteAll(*disk, 0, Fill(2 * kCluster, 0xee)).has_value());
  for (const ZeroMode mode : {ZeroMode::kKeepAllocated, ZeroMode::kMayDeallocate}) {
    ASSERT_EQ(*disk->ZeroSome(512, 5 * kCluster, mode), 5 * kCluster);
    EXPECT_EQ(Read(*disk, 0, 512), Fill(512, 0xee));
    EXPECT_EQ(Read(*disk, 512, 5 * kCluster), Fill(5 * kCluster, 0));
    EXPECT_EQ(Read(*disk, 5 * kCluster + 512, 512), BaseBytes(5 * kCluster + 512, 512));
  }
}

TEST_F(OverlayTest, ZeroesTheLastClusterByItsMark) {
  const auto disk = *Open();
  const uint64_t size_before = medium.bytes().size();
  ASSERT_EQ(*disk->ZeroSome(16 * kCluster, 3 * 512, ZeroMode::kKeepAllocated), 3 * 512U);
  ASSERT_TRUE(disk->Flush().has_value());
  EXPECT_EQ(Read(*disk, 16 * kCluster, 3 * 512), Fill(3 * 512, 0));
  EXPECT_EQ(medium.bytes().size(), size_before);
}

TEST_F(OverlayTest, KeepsRoomThatADriverWantsKept) {
  const auto disk = *Open();
  ASSERT_TRUE(WriteAll(*disk, 0, Fill(kCluster, 1)).has_value());
  ASSERT_TRUE(disk->ZeroSome(0, kCluster, ZeroMode::kKeepAllocated).has_value());
  ASSERT_TRUE(disk->Flush().has_value());
  const uint64_t size_before = medium.bytes().size();
  ASSERT_TRUE(WriteAll(*disk, 0, Fill(kCluster, 2)).has_value());
  EXPECT_EQ(medium.bytes().size(), size_before);
}

TEST_F(OverlayTest, UsesDiscardedClustersAgain) {
  const auto disk = *Open();
  const uint64_t disk_clusters = kDiskBytes / kCluster + 1;
  for (int round = 0; round < 2000; ++round) {
    ASSERT_TRUE(WriteAll(*disk, 0, Fill(4 * kCluster, 1)).has_value());
    ASSERT_TRUE(disk->DiscardSome(0, 4 * kCluster).has_value());
  }
  EXPECT_LE(medium.bytes().size(),
            (2 + disk_clusters + OverlayDisk::kMaxUncommitted + 1) * kCluster);
}

TEST_F(OverlayTest, FlushesBeforeTooMuchIsUncommitted) {
  // A disk with more clusters than may be uncommitted.
  const uint64_t size_bytes = (OverlayDisk::kMaxUncommitted + 100) * uint64_t{kCluster};
  base = Medium(Fill(size_bytes, 3));
  OverlayDisk::Options options = Options();
  options.base.size_bytes = size_bytes;
  auto disk = *Open(options);
  ASSERT_TRUE(WriteAll(*disk, 0, Fill(size_bytes, 4)).has_value());
  std::minstd_rand random(1);
  medium.LosePower(Medium::Loss::kAllUnsynced, random);
  Medium crashed = medium;
  disk.reset();
  medium = std::move(crashed);
  disk = *Open(options);
  EXPECT_EQ(Read(*disk, 0, OverlayDisk::kMaxUncommitted * uint64_t{kCluster}),
            Fill(OverlayDisk::kMaxUncommitted * uint64_t{kCluster}, 4));
}

TEST_F(OverlayTest, FailsEveryFlushAfterOneThatFailed) {
  const auto disk = *Open();
  ASSERT_TRUE(WriteAll(*disk, 0, Fill(512, 1)).has_value());
  medium.DieAfter(0);
  EXPECT_FALSE(disk->Flush().has_value());
  medium.Revive();
  EXPECT_FALSE(disk->Flush().has_value());
  // What needs no flush goes on.
  EXPECT_TRUE(WriteAll(*disk, 0, Fill(512, 2)).has_value());
  EXPECT_EQ(Read(*disk, 0, 512), Fill(512, 2));
}

TEST_F(OverlayTest, GivesBackAClusterThatCouldNotBeWritten) {
  const auto disk = *Open();
  medium.DieAfter(0);
  EXPECT_FALSE(WriteAll(*disk, 0, Fill(512, 1)).has_value());
  medium.Revive();
  EXPECT_EQ(Read(*disk, 0, 512), BaseBytes(0, 512));
  ASSERT_TRUE(WriteAll(*disk, 0, Fill(512, 1)).has_value());
  ASSERT_TRUE(disk->Flush().has_value());
  EXPECT_EQ(medium.bytes().size(), 3 * uint64_t{kCluster});
}

TEST_F(OverlayTest, TakesABaseWithoutAnyByte) {
  base = Medium();
  OverlayDisk::Options options = Options();
  options.base.size_bytes = 0;
  ASSERT_EQ(OpenError(options), "");
  EXPECT_EQ((*Open(options))->size_bytes(), 0U);
}

TEST_F(OverlayTest, RefusesMoreClustersThanItCanNumber) {
  OverlayDisk::Options options = Options();
  options.base.size_bytes = (kMaxClusters + 1) * kCluster;
  EXPECT_THAT(OpenError(options), HasSubstr("exceeds the limit 1073741824"));
}

// A disk beside a plain vector of bytes, through everything a driver can ask for; flushed and
// opened again now and then. EMBER_LONG_TESTS makes it 100 times as long.
TEST_F(OverlayTest, DoesAsAVectorOfBytesDoes) {
  std::minstd_rand random(7);
  std::vector<std::byte> model = base.bytes();
  auto disk = *Open();
  const int rounds = std::getenv("EMBER_LONG_TESTS") != nullptr ? 1'000'000 : 10'000;
  for (int round = 0; round < rounds; ++round) {
    const uint64_t offset = random() % (kDiskBytes / 512) * 512;
    const uint64_t len = std::min<uint64_t>(kDiskBytes - offset, random() % 24 * 512);
    const auto begin = model.begin() + static_cast<ptrdiff_t>(offset);
    const auto end = begin + static_cast<ptrdiff_t>(len);
    switch (random() % 10) {
      case 0:
        disk.reset();
        disk = *Open();
        break;
      case 1:
        ASSERT_TRUE(disk->Flush().has_value());
        break;
      case 2:
      case 3: {
        const auto mode = random() % 2 == 0 ? ZeroMode::kKeepAllocated : ZeroMode::kMayDeallocate;
        ASSERT_EQ(*disk->ZeroSome(offset, len, mode), len);
        std::fill(begin, end, std::byte{0});
        break;
      }
      case 4:
        ASSERT_EQ(*disk->DiscardSome(offset, len), len);
        // What it did is its choice: the range is unknown now.
        ASSERT_TRUE(ReadAll(*disk, offset, std::span(model).subspan(offset, len)).has_value());
        break;
      default: {
        const auto value = static_cast<int>(random() % 256);
        ASSERT_TRUE(WriteAll(*disk, offset, Fill(len, value)).has_value());
        std::fill(begin, end, static_cast<std::byte>(value));
      }
    }
    const uint64_t at = random() % kDiskBytes;
    const uint64_t count = random() % (kDiskBytes - at);
    ASSERT_TRUE(std::ranges::equal(Read(*disk, at, count), std::span(model).subspan(at, count)))
        << "round " << round;
  }
  EXPECT_EQ(Read(*disk, 0, kDiskBytes), model);
}

}  // namespace
}  // namespace ember::virtio::testing
