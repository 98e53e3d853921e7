#include "virtio/block/disk_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/concat.h"
#include "tests/virtio/block/temporary_file.h"
#include "tests/virtio/driver/block_driver.h"
#include "tests/virtio/driver/memory_disk.h"
#include "virtio/block/block_device.h"

namespace ember::virtio::testing {
namespace {

TEST(DiskFileTest, NamesAPathThatIsNotThere) {
  const auto disk = DiskFile::Open("/nonexistent/disk.img", Access::kReadOnly);
  ASSERT_FALSE(disk.has_value());
  EXPECT_NE(disk.error().message().find("/nonexistent/disk.img"), std::string::npos);
  EXPECT_EQ(disk.error().error_number(), ENOENT);
}

TEST(DiskFileTest, RefusesWhatIsNeitherFileNorBlockDevice) {
  for (const std::string path : {"/dev/null", "/"}) {
    const auto disk = DiskFile::Open(path, Access::kReadOnly);
    ASSERT_FALSE(disk.has_value()) << path;
    EXPECT_NE(disk.error().message().find(path), std::string::npos);
  }
}

TEST(DiskFileTest, HasTheSizeOfItsFile) {
  const TemporaryFile file(12345);
  const auto disk = *DiskFile::Open(file.path(), Access::kReadOnly);
  EXPECT_EQ(disk->size_bytes(), 12345U);
  EXPECT_EQ(disk->access(), Access::kReadOnly);
}

TEST(DiskFileTest, MakesItsSerialOfDeviceAndInode) {
  const TemporaryFile file(512);
  struct stat status {};
  ASSERT_EQ(::stat(file.path().c_str(), &status), 0);
  std::string expected = Concat(status.st_dev, status.st_rdev, status.st_ino);
  expected.resize(20, '\0');
  const auto disk = *DiskFile::Open(file.path(), Access::kReadOnly);
  EXPECT_EQ(std::memcmp(disk->serial().data(), expected.data(), 20), 0);
}

TEST(DiskFileTest, MovesBytesOverSeveralPieces) {
  const TemporaryFile file(4096);
  const auto disk = *DiskFile::Open(file.path(), Access::kReadWrite);
  std::string first = "hello", second = "world";
  const std::vector<iovec> pieces{{first.data(), 5}, {second.data(), 5}};
  EXPECT_EQ(*disk->WriteSome(100, pieces), 10U);
  EXPECT_EQ(file.Content().substr(100, 10), "helloworld");
  first = second = ".....";
  EXPECT_EQ(*disk->ReadSome(101, pieces), 10U);
  EXPECT_EQ(first + second, std::string("elloworld\0", 10));
}

TEST(DiskFileTest, TakesMorePiecesThanTheHostDoesAtOnce) {
  const TemporaryFile file(4096);
  const auto disk = *DiskFile::Open(file.path(), Access::kReadWrite);
  std::string byte = "x";
  const std::vector<iovec> pieces(3000, {byte.data(), 1});
  EXPECT_EQ(*disk->WriteSome(0, pieces), 1024U);
}

TEST(DiskFileTest, FailsToWriteWhenReadOnly) {
  const TemporaryFile file(4096);
  const auto disk = *DiskFile::Open(file.path(), Access::kReadOnly);
  std::string byte = "x";
  const iovec piece{byte.data(), 1};
  const auto moved = disk->WriteSome(0, {&piece, 1});
  ASSERT_FALSE(moved.has_value());
  EXPECT_NE(moved.error().message().find(file.path()), std::string::npos);
}

TEST(DiskFileTest, IsNotInheritedByOtherPrograms) {
  const TemporaryFile file(512);
  // A new descriptor is the lowest that is free.
  Fd probe(::dup(file.fd()));
  const int next = probe.get();
  probe.Reset();
  const auto disk = *DiskFile::Open(file.path(), Access::kReadOnly);
  EXPECT_EQ(::fcntl(next, F_GETFD), FD_CLOEXEC);
}

TEST(DiskFileTest, ServesADriverEndToEnd) {
  const TemporaryFile file(uint64_t{1} << 20);
  const auto device =
      *BlockDevice::Create(*DiskFile::Open(file.path(), Access::kReadWrite),
                           {.drive_id = "data", .cache_type = CacheType::kWriteback});
  Rig rig(*device);
  BlockDriver driver(rig, kBlockFlushFeature);
  std::vector<std::byte> data(8192, std::byte{'A'});
  EXPECT_EQ(driver.Write(16, data).status, kBlockOk);
  EXPECT_EQ(driver.Do(kBlockFlush, 0, {}, 0).status, kBlockOk);
  EXPECT_EQ(file.Content().substr(16 * 512, 8192), std::string(8192, 'A'));
  EXPECT_EQ(driver.Read(16, 8192), data);
}

TEST(DiskFileTest, FailsRequestsOfAFileThatBecameShorter) {
  const TemporaryFile file(uint64_t{1} << 20);
  const auto device =
      *BlockDevice::Create(*DiskFile::Open(file.path(), Access::kReadWrite), {.drive_id = "data"});
  Rig rig(*device);
  BlockDriver driver(rig);
  ASSERT_EQ(::ftruncate(file.fd(), 4096), 0);
  BlockDriver::Answer answer;
  driver.Read(1000, 512, &answer);
  EXPECT_EQ(answer.status, kBlockIoError);
  driver.Read(7, 512, &answer);
  EXPECT_EQ(answer.status, kBlockOk);
}

// What a disk does for those that it does not do better.
TEST(DiskTest, WritesZerosWhereItKnowsNoBetter) {
  MemoryDisk disk(uint64_t{4} << 20);
  std::ranges::fill(disk.bytes, std::byte{1});
  uint64_t done = 0;
  constexpr uint64_t kLen = (uint64_t{2} << 20) + 512;
  while (done < kLen) {
    const Result<uint64_t> some = disk.ZeroSome(512 + done, kLen - done, ZeroMode::kKeepAllocated);
    ASSERT_TRUE(some.has_value());
    ASSERT_GT(*some, 0U);
    done += *some;
  }
  EXPECT_EQ(done, kLen);
  EXPECT_EQ(std::ranges::count(disk.bytes, std::byte{0}), static_cast<int64_t>(kLen));
  EXPECT_EQ(disk.bytes[511], std::byte{1});
  EXPECT_EQ(disk.bytes[512 + kLen], std::byte{1});
  EXPECT_LE(disk.largest_call_bytes, uint64_t{1} << 20);
}

TEST(DiskTest, LetsDiscardedBytesStayWhereItKnowsNoBetter) {
  MemoryDisk disk(4096);
  EXPECT_EQ(*disk.Disk::DiscardSome(512, 1024), 1024U);
  EXPECT_TRUE(disk.calls.empty());
  EXPECT_FALSE(disk.plain_file().has_value());
}

}  // namespace
}  // namespace ember::virtio::testing
