#include "virtio/block/overlay/open_overlay.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "tests/base/temporary_directory.h"
#include "tests/virtio/block/overlay/overlay_fixture.h"
#include "tests/virtio/driver/block_driver.h"
#include "virtio/block/block_device.h"

namespace ember::virtio::testing {
namespace {

using ::testing::HasSubstr;

class OpenOverlayTest : public ::testing::Test {
 protected:
  std::string OpenError() {
    const auto opened = OpenOverlay(overlay, base);
    return opened ? std::string() : opened.error().message();
  }

  TemporaryDirectory directory;
  std::string base = directory.Write("base.img", std::string(300 * 1024, 'b'));
  std::string overlay = directory.Path("changes.overlay");
};

TEST_F(OpenOverlayTest, MakesAFileThatOthersCannotRead) {
  ASSERT_EQ(OpenError(), "");
  struct stat file {};
  ASSERT_EQ(::stat(overlay.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600U);
}

TEST_F(OpenOverlayTest, KeepsChangesAndLeavesTheBase) {
  const std::string before = TemporaryDirectory::Read(base);
  ASSERT_TRUE(WriteAll(**OpenOverlay(overlay, base), 70'000, Fill(4096, 'x')).has_value());
  const auto disk = *OpenOverlay(overlay, base);
  std::vector<std::byte> bytes(4098);
  ASSERT_TRUE(ReadAll(*disk, 69'999, bytes).has_value());
  EXPECT_EQ(bytes.front(), std::byte{'b'});
  EXPECT_EQ(bytes[1], std::byte{'x'});
  EXPECT_EQ(bytes[4096], std::byte{'x'});
  EXPECT_EQ(bytes.back(), std::byte{'b'});
  EXPECT_EQ(TemporaryDirectory::Read(base), before);
}

TEST_F(OpenOverlayTest, NamesTheFileThatIsNotThere) {
  base = directory.Path("nothing");
  EXPECT_THAT(OpenError(), HasSubstr(base));
  EXPECT_FALSE(std::filesystem::exists(overlay));
  base = directory.Write("base.img", "b");
  overlay = directory.Path("nowhere/changes");
  EXPECT_THAT(OpenError(), HasSubstr(overlay));
}

TEST_F(OpenOverlayTest, RefusesASecondDiskOnOneOverlay) {
  const auto first = *OpenOverlay(overlay, base);
  EXPECT_THAT(OpenError(), HasSubstr("is in use"));
}

TEST_F(OpenOverlayTest, GivesTheOverlayFreeWithTheDisk) {
  static_cast<void>(*OpenOverlay(overlay, base));
  EXPECT_EQ(OpenError(), "");
}

TEST_F(OpenOverlayTest, RefusesAnOverlayThatIsItsOwnBase) {
  base = directory.Write("empty", "");
  overlay = directory.Path("link");
  ASSERT_EQ(::link(base.c_str(), overlay.c_str()), 0);
  EXPECT_THAT(OpenError(), HasSubstr("is its own base"));
  EXPECT_EQ(TemporaryDirectory::Read(base), "");
}

TEST_F(OpenOverlayTest, RefusesWhatIsNotARegularFile) {
  ASSERT_EQ(::mkfifo(overlay.c_str(), 0600), 0);
  EXPECT_THAT(OpenError(), HasSubstr("is not a regular file"));
  base = "/dev/null";
  overlay = directory.Path("other");
  EXPECT_THAT(OpenError(), HasSubstr("/dev/null"));
}

TEST_F(OpenOverlayTest, RefusesABaseWrittenToSince) {
  ASSERT_EQ(OpenError(), "");
  const Fd file = *OpenFile(base, Access::kReadWrite);
  ASSERT_EQ(::pwrite(file.get(), "x", 1, 1000), 1);
  const timespec times[2] = {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 1, .tv_nsec = 0}};
  ASSERT_EQ(::futimens(file.get(), times), 0);
  EXPECT_THAT(OpenError(), HasSubstr("the base has changed: it was modified"));
}

TEST_F(OpenOverlayTest, RefusesABaseOfAnotherSize) {
  ASSERT_EQ(OpenError(), "");
  ASSERT_EQ(::truncate(base.c_str(), 200 * 1024), 0);
  EXPECT_THAT(OpenError(), HasSubstr("the base has changed: it has 204800 bytes"));
}

TEST_F(OpenOverlayTest, RefusesAnotherBaseOfTheSameSizeAndTime) {
  ASSERT_EQ(OpenError(), "");
  const auto modified = std::filesystem::last_write_time(base);
  directory.Write("base.img", std::string(300 * 1024, 'c'));
  std::filesystem::last_write_time(base, modified);
  EXPECT_THAT(OpenError(), HasSubstr("fingerprint"));
}

TEST_F(OpenOverlayTest, TakesABaseThatWasMoved) {
  ASSERT_TRUE(WriteAll(**OpenOverlay(overlay, base), 0, Fill(512, 'x')).has_value());
  const std::string moved = directory.Path("moved.img");
  std::filesystem::rename(base, moved);
  base = moved;
  EXPECT_EQ(OpenError(), "");
}

TEST_F(OpenOverlayTest, GivesRoomBackToTheHost) {
  const auto disk = *OpenOverlay(overlay, base);
  ASSERT_TRUE(WriteAll(*disk, 0, Fill(256 * 1024, 'x')).has_value());
  ASSERT_TRUE(disk->Flush().has_value());
  struct stat before {
  }, after{};
  ASSERT_EQ(::stat(overlay.c_str(), &before), 0);
  ASSERT_TRUE(disk->DiscardSome(0, 256 * 1024).has_value());
  ASSERT_TRUE(disk->Flush().has_value());
  ASSERT_EQ(::stat(overlay.c_str(), &after), 0);
  EXPECT_LE(after.st_blocks + 4 * 128, before.st_blocks);
}

TEST_F(OpenOverlayTest, ServesABlockDevice) {
  const auto device = *BlockDevice::Create(
      *OpenOverlay(overlay, base), {.drive_id = "root", .cache_type = CacheType::kWriteback});
  Rig rig(*device);
  BlockDriver driver(rig, kBlockFlushFeature);
  EXPECT_EQ(driver.Write(127, Fill(1024, 'w')).status, kBlockOk);
  EXPECT_EQ(driver.Do(kBlockFlush, 0, GuestAddress{}, 0).status, kBlockOk);
  std::vector<std::byte> expected = Fill(512, 'b');
  for (const auto& more : {Fill(1024, 'w'), Fill(512, 'b')}) {
    expected.insert(expected.end(), more.begin(), more.end());
  }
  EXPECT_EQ(driver.Read(126, 2048), expected);
}

}  // namespace
}  // namespace ember::virtio::testing
