// The engines over real files: what holds for both, and what io_uring adds.
#include "virtio/block/uring_engine.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/virtio/block/file_bench.h"
#include "virtio/block/disk_file.h"

namespace ember::virtio::testing {
namespace {

class BlockEngineTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (!HostHas(GetParam())) GTEST_SKIP() << "this host has no io_uring, or no direct I/O here";
  }
  static constexpr uint64_t kFeatures =
      kBlockFlushFeature | kBlockDiscardFeature | kBlockWriteZeroesFeature;
};

TEST_P(BlockEngineTest, KeepsDataWholeOverRandomRequests) {
  FileBench bench(GetParam(), kFeatures);
  std::vector<std::byte> copy(kFileBytes);
  std::minstd_rand random(11);
  const GuestAddress data = bench.rig.ram.Allocate(65536, 4096);
  for (unsigned i = 0; i < 400; ++i) {
    const uint64_t sector = random() % (kFileSectors - 64);
    const auto len = static_cast<uint32_t>(512 * (1 + random() % 64));
    const auto at = copy.begin() + static_cast<std::ptrdiff_t>(sector * 512);
    const std::span<std::byte> bytes = bench.rig.ram.Bytes(data, len);
    if (random() % 2 == 0) {
      std::ranges::copy(Pattern(len, i), bytes.begin());
      ASSERT_EQ(bench.Do(kBlockOut, sector, data, len).status, kBlockOk);
      std::ranges::copy(bytes, at);
    } else {
      std::ranges::fill(bytes, std::byte{0xcc});
      ASSERT_EQ(bench.Do(kBlockIn, sector, data, len).status, kBlockOk);
      ASSERT_TRUE(std::equal(bytes.begin(), bytes.end(), at));
    }
  }
  EXPECT_EQ(bench.Do(kBlockFlush, 0, {}, 0).status, kBlockOk);
  EXPECT_EQ(std::memcmp(bench.file.Content().data(), copy.data(), copy.size()), 0);
}

TEST_P(BlockEngineTest, TakesBuffersAtAnyAddressAndOfAnyLength) {
  FileBench bench(GetParam(), kFeatures);
  for (const uint32_t shift : {1U, 3U, 255U}) {
    const std::vector<uint32_t> lens{16, shift, 1024 - shift};
    const std::vector<uint32_t> status{1};
    const auto write = bench.driver.PutSplit(kBlockOut, 5, lens, status);
    const auto pattern = Pattern(1024, shift);
    std::ranges::copy(pattern, bench.rig.ram.Bytes(write.data, 1024).begin());
    EXPECT_EQ(bench.Await(write).status, kBlockOk);
    const std::vector<uint32_t> header{16};
    const std::vector<uint32_t> pieces{shift, 1024 - 2 * shift, shift, 1};
    const auto read = bench.driver.PutSplit(kBlockIn, 5, header, pieces);
    EXPECT_EQ(bench.Await(read).status, kBlockOk);
    EXPECT_EQ(std::memcmp(bench.rig.ram.Bytes(read.data, 1024).data(), pattern.data(), 1024), 0);
  }
}

TEST_P(BlockEngineTest, FailsRequestsOfAFileThatBecameShorter) {
  FileBench bench(GetParam(), kFeatures);
  bench.file.Resize(8192);
  const GuestAddress data = bench.rig.ram.Allocate(16384, 4096);
  EXPECT_EQ(bench.Do(kBlockIn, 1000, data, 512).status, kBlockIoError);
  const BlockDriver::Answer part = bench.Do(kBlockIn, 8, data, 16384);
  EXPECT_EQ(part.status, kBlockIoError);
  EXPECT_EQ(part.used_len, 4096U) << "what was read before the end counts";
  EXPECT_EQ(bench.Do(kBlockIn, 0, data, 512).status, kBlockOk);
}

TEST_P(BlockEngineTest, GivesTheRoomOfDiscardedSectorsBack) {
  FileBench bench(GetParam(), kFeatures);
  const GuestAddress data = bench.rig.ram.Allocate(65536, 4096);
  std::ranges::fill(bench.rig.ram.Bytes(data, 65536), std::byte{7});
  for (uint64_t sector = 0; sector < kFileSectors; sector += 128) {
    ASSERT_EQ(bench.Do(kBlockOut, sector, data, 65536).status, kBlockOk);
  }
  ASSERT_EQ(bench.Do(kBlockFlush, 0, {}, 0).status, kBlockOk);
  struct stat before {
  }, after{};
  ::fstat(bench.file.fd(), &before);
  EXPECT_EQ(bench.DoRange(kBlockDiscard, {.sector = 256, .sectors = 1024}).status, kBlockOk);
  ::fstat(bench.file.fd(), &after);
  EXPECT_EQ(after.st_size, before.st_size);
  EXPECT_LE(after.st_blocks, before.st_blocks - 1024);
}

TEST_P(BlockEngineTest, ZeroesSectorsThatWereWritten) {
  for (const uint32_t flags : {0U, 1U}) {
    FileBench bench(GetParam(), kFeatures);
    const GuestAddress data = bench.rig.ram.Allocate(65536, 4096);
    std::ranges::fill(bench.rig.ram.Bytes(data, 65536), std::byte{7});
    ASSERT_EQ(bench.Do(kBlockOut, 0, data, 65536).status, kBlockOk);
    EXPECT_EQ(bench.DoRange(kBlockWriteZeroes, {.sector = 3, .sectors = 50, .flags = flags}).status,
              kBlockOk);
    ASSERT_EQ(bench.Do(kBlockIn, 0, data, 65536).status, kBlockOk);
    const auto bytes = bench.rig.ram.Bytes(data, 65536);
    EXPECT_EQ(std::ranges::count(bytes, std::byte{0}), 50 * 512);
    EXPECT_EQ(bytes[3 * 512 - 1], std::byte{7});
    EXPECT_EQ(bytes[53 * 512], std::byte{7});
  }
}

TEST_P(BlockEngineTest, TouchesNoGuestMemoryAfterAResetUnderLoad) {
  FileBench bench(GetParam(), kFeatures);
  const Load load(bench.rig);
  for (int round = 0; round < 50; ++round) {
    const DriverRing ring = load.Begin();
    for (int i = 0; i < round % 3; ++i) bench.rig.PumpOnce();
    bench.rig.driver.Write(reg::kStatus, 0);
    ASSERT_EQ(bench.rig.driver.status(), 0U);
    const int used = ring.used_index();
    std::ranges::fill(load.data(), std::byte{0x3c});
    bench.rig.Pump();
    EXPECT_EQ(ring.used_index(), used);
    ASSERT_EQ(std::ranges::count(load.data(), std::byte{0x3c}), std::ssize(load.data()));
  }
  EXPECT_EQ(bench.device->metrics().execute_fails.value(), 0U);
}

TEST_P(BlockEngineTest, GoesOnWithAnotherDiskUnderLoad) {
  FileBench bench(GetParam(), kFeatures);
  const TemporaryFile other(2 * kFileBytes);
  const GuestAddress data = bench.rig.ram.Allocate(16 * 4096, 4096);
  std::ranges::fill(bench.rig.ram.Bytes(data, 16 * 4096), std::byte{'o'});
  std::vector<BlockDriver::Request> requests;
  for (uint32_t i = 0; i < 16; ++i) {
    requests.push_back(bench.driver.Put(kBlockOut, 8 * i, data + 4096 * i, 4096));
  }
  bench.driver.Kick();
  bench.rig.PumpOnce();
  bench.rig.state().WithDevice([&] {
    ASSERT_TRUE(bench.device->ReplaceDisk(
        *DiskFile::Open(other.path(), Access::kReadWrite, GetParam().cache)));
  });
  while (bench.driver.ring().used_index() < 16) bench.rig.PumpOnce();
  EXPECT_EQ(bench.file.Content().substr(0, 16 * 4096), std::string(16 * 4096, 'o'))
      << "what was under way went to the old disk";
  EXPECT_EQ(bench.rig.driver.ReadWide(reg::kConfig, 8), 2 * kFileSectors);
  EXPECT_EQ(bench.rig.driver.Read(reg::kConfigGeneration), 1U);
  EXPECT_NE(bench.rig.driver.Read(reg::kInterruptStatus) & 2, 0U);
  while (bench.driver.ring().TakeUsed()) {
  }
  EXPECT_EQ(bench.Do(kBlockOut, 2 * kFileSectors - 8, data, 4096).status, kBlockOk);
  EXPECT_EQ(other.Content().substr(2 * kFileBytes - 4096), std::string(4096, 'o'));
}

TEST_P(BlockEngineTest, GrowsAndShrinksWithItsFile) {
  FileBench bench(GetParam(), kFeatures);
  const GuestAddress data = bench.rig.ram.Allocate(4096, 4096);
  for (const uint64_t bytes : {2 * kFileBytes, kFileBytes / 2}) {
    bench.file.Resize(bytes);
    bench.rig.state().WithDevice([&] {
      ASSERT_TRUE(bench.device->ReplaceDisk(
          *DiskFile::Open(bench.file.path(), Access::kReadWrite, GetParam().cache)));
    });
    EXPECT_EQ(bench.rig.driver.ReadWide(reg::kConfig, 8), bytes / 512);
    EXPECT_EQ(bench.Do(kBlockIn, bytes / 512 - 8, data, 4096).status, kBlockOk);
    EXPECT_EQ(bench.Do(kBlockIn, bytes / 512 - 7, data, 4096).status, kBlockIoError);
  }
  EXPECT_EQ(bench.device->metrics().update_count.value(), 2U);
}

TEST_P(BlockEngineTest, TellsNobodyOfADiskOfTheSameSize) {
  FileBench bench(GetParam(), kFeatures);
  bench.rig.state().WithDevice([&] {
    ASSERT_TRUE(bench.device->ReplaceDisk(
        *DiskFile::Open(bench.file.path(), Access::kReadWrite, GetParam().cache)));
  });
  EXPECT_EQ(bench.rig.driver.Read(reg::kConfigGeneration), 0U);
}

TEST_P(BlockEngineTest, KeepsItsDiskWhereTheOtherIsForReadingOnly) {
  FileBench bench(GetParam(), kFeatures);
  const Status replaced =
      bench.device->ReplaceDisk(*DiskFile::Open(bench.file.path(), Access::kReadOnly));
  EXPECT_FALSE(replaced);
  EXPECT_EQ(bench.device->metrics().update_fails.value(), 1U);
  EXPECT_EQ(bench.Do(kBlockOut, 0, bench.rig.ram.Allocate(512), 512).status, kBlockOk);
}

TEST_P(BlockEngineTest, ComesToRest) {
  FileBench bench(GetParam(), kFeatures);
  bench.Do(kBlockIn, 0, bench.rig.ram.Allocate(4096, 4096), 4096);
  bench.rig.Pump();
  EXPECT_FALSE(bench.rig.PumpOnce());
  bench.rig.driver.Write(reg::kStatus, 0);
  bench.rig.Pump();
  EXPECT_FALSE(bench.rig.PumpOnce());
}

// The device works on one thread, and a vCPU's thread resets it under load.
TEST_P(BlockEngineTest, IsResetFromAnotherThreadUnderLoad) {
  FileBench bench(GetParam(), kFeatures);
  const Load load(bench.rig);
  const DeviceThread worker(bench.rig.state());
  for (int round = 0; round < 30; ++round) {
    const DriverRing ring = load.Begin();
    const int wanted = round % 4;
    int seen = bench.rig.line.count();
    while (ring.used_index() < wanted) {
      bench.rig.line.WaitWhile(seen);
      seen = bench.rig.line.count();
    }
    bench.rig.driver.Write(reg::kStatus, 0);
    ASSERT_EQ(bench.rig.driver.status(), 0U);
    const int used = ring.used_index();
    std::ranges::fill(load.data(), std::byte{0});
    EXPECT_EQ(ring.used_index(), used);
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, BlockEngineTest,
                         ::testing::Values(Kind{"Sync", false, HostCache::kUsed},
                                           Kind{"SyncDirect", false, HostCache::kBypassed},
                                           Kind{"Async", true, HostCache::kUsed},
                                           Kind{"AsyncDirect", true, HostCache::kBypassed}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(UringEngineTest, RefusesADiskThatIsNoPlainFile) {
  MemoryDisk disk(4096);
  const auto engine = CreateUringEngine(disk);
  ASSERT_FALSE(engine);
  EXPECT_NE(engine.error().message().find("Async"), std::string::npos);
}

TEST(UringEngineTest, CarriesOutASecondBurstOfAllItsDepth) {
  const TemporaryFile file(kFileBytes);
  const auto disk = *DiskFile::Open(file.path(), Access::kReadWrite);
  const auto engine = CreateUringEngine(*disk);
  if (!engine) GTEST_SKIP() << engine.error().message();
  std::vector<std::byte> bytes((*engine)->depth() * 512);
  std::vector<iovec> pieces;
  for (size_t i = 0; i < (*engine)->depth(); ++i) {
    pieces.push_back({.iov_base = bytes.data() + 512 * i, .iov_len = 512});
  }
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 0; i < pieces.size(); ++i) {
      ASSERT_FALSE((*engine)->Start(
          IoTag{static_cast<uint32_t>(i)},
          {.kind = IoKind::kRead, .offset = 512 * i, .len_bytes = 512, .pieces = {&pieces[i], 1}}));
    }
    EXPECT_TRUE((*engine)->Submit());
    (*engine)->WaitForAll();
    size_t finished = 0;
    while (const auto completion = (*engine)->TakeFinished()) {
      EXPECT_EQ(completion->result.value_or(0), 512U);
      ++finished;
    }
    EXPECT_EQ(finished, pieces.size());
  }
}

TEST(UringEngineTest, ForgetsWhatWasNeverSubmitted) {
  const TemporaryFile file(kFileBytes);
  const auto disk = *DiskFile::Open(file.path(), Access::kReadWrite);
  const auto engine = CreateUringEngine(*disk);
  if (!engine) GTEST_SKIP() << engine.error().message();
  std::vector<std::byte> bytes(512, std::byte{9});
  const iovec piece{.iov_base = bytes.data(), .iov_len = bytes.size()};
  const IoCall call{.kind = IoKind::kRead, .len_bytes = 512, .pieces = {&piece, 1}};
  ASSERT_FALSE((*engine)->Start(IoTag{0}, call));
  (*engine)->Stop();
  EXPECT_FALSE((*engine)->TakeFinished());
  ASSERT_FALSE((*engine)->Start(IoTag{1}, call));
  (*engine)->Submit();
  (*engine)->WaitForAll();
  const auto completion = (*engine)->TakeFinished();
  ASSERT_TRUE(completion);
  EXPECT_EQ(completion->tag, IoTag{1});
  EXPECT_FALSE((*engine)->TakeFinished());
}

}  // namespace
}  // namespace ember::virtio::testing
