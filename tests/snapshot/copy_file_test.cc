#include "snapshot/copy_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "tests/base/temporary_directory.h"

namespace ember::snapshot {
namespace {

constexpr uint64_t kMib = uint64_t{1} << 20;

class CopyFileTest : public testing::Test {
 protected:
  Fd Make(const std::string& path) const {
    return Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  }
  static void Put(const Fd& file, uint64_t at, std::string_view text) {
    ASSERT_EQ(::pwrite(file.get(), text.data(), text.size(), static_cast<off_t>(at)),
              static_cast<ssize_t>(text.size()));
  }
  static std::string Get(const Fd& file, uint64_t at, size_t len) {
    std::string text(len, '?');
    const ssize_t got = ::pread(file.get(), text.data(), len, static_cast<off_t>(at));
    text.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return text;
  }
  static uint64_t HeldBytes(const Fd& file) {
    struct stat info {};
    ::fstat(file.get(), &info);
    return static_cast<uint64_t>(info.st_blocks) * 512;
  }

  const TemporaryDirectory directory_;
  Fd from_ = Make(directory_.Path("from"));
  Fd to_ = Make(directory_.Path("to"));
};

TEST_F(CopyFileTest, KeepsBytesHolesAndLength) {
  Put(from_, 0, "head");
  Put(from_, 8 * kMib, "middle");
  ASSERT_EQ(::ftruncate(from_.get(), 16 * kMib), 0);
  ASSERT_TRUE(CopyFile(from_, to_, 16 * kMib));
  EXPECT_EQ(FileSize(to_, "to").value(), 16 * kMib);
  EXPECT_EQ(Get(to_, 0, 6), std::string("head\0\0", 6));
  EXPECT_EQ(Get(to_, 8 * kMib, 6), "middle");
  EXPECT_LT(HeldBytes(to_), kMib);
}

TEST_F(CopyFileTest, TakesAFileThatIsAllHole) {
  ASSERT_EQ(::ftruncate(from_.get(), 4 * kMib), 0);
  ASSERT_TRUE(CopyFile(from_, to_, 4 * kMib));
  EXPECT_EQ(FileSize(to_, "to").value(), 4 * kMib);
}

TEST_F(CopyFileTest, OfARangeTakesThatAndNoMore) {
  Put(from_, 0, "abcdef");
  Put(to_, 0, "ABCDEF");
  ASSERT_TRUE(CopyRange(from_, to_, 2, 3));
  EXPECT_EQ(Get(to_, 0, 6), "ABcdeF");
}

TEST_F(CopyFileTest, OfAFileThatEndsTooSoonIsAnError) {
  Put(from_, 0, "abc");
  EXPECT_FALSE(CopyRange(from_, to_, 0, 4));
}

TEST_F(CopyFileTest, WorksFromAnotherFileSystem) {
  const Fd memory(::memfd_create("from", MFD_CLOEXEC));
  Put(memory, 3 * kMib, "there");
  ASSERT_TRUE(CopyFile(memory, to_, 3 * kMib + 5));
  EXPECT_EQ(Get(to_, 3 * kMib, 5), "there");
  ASSERT_TRUE(CopyRange(memory, from_, 3 * kMib, 5));
  EXPECT_EQ(Get(from_, 3 * kMib, 5), "there");
}

TEST_F(CopyFileTest, AFullDiskIsNamed) {
  const Fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  Put(from_, 0, "abc");
  const Status copied = CopyRange(from_, full, 0, 3);
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().error_number(), ENOSPC);
}

}  // namespace
}  // namespace ember::snapshot
