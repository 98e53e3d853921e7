#include "virtio/block/block_device.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "tests/virtio/block/block_bench.h"

namespace ember::virtio::testing {
namespace {

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

}  // namespace
}  // namespace ember::virtio::testing
