#include "snapshot/new_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>

#include "tests/base/temporary_directory.h"

namespace ember::snapshot {
namespace {

using ::testing::HasSubstr;

class NewFileTest : public ::testing::Test {
 protected:
  size_t CountFiles() const {
    const std::filesystem::directory_iterator files(directory_.Path(""));
    return static_cast<size_t>(std::distance(begin(files), end(files)));
  }
  static void Write(const NewFile& file, std::string_view text) {
    ASSERT_TRUE(WriteAll(file.fd(), std::as_bytes(std::span(text))));
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.Path("state");
};

TEST_F(NewFileTest, AppearsUnderItsNameWhenItIsPublished) {
  Result<NewFile> file = NewFile::Create(path_, "new");
  ASSERT_TRUE(file) << file.error().message();
  Write(*file, "whole");
  ASSERT_TRUE(file->Sync());
  EXPECT_FALSE(std::filesystem::exists(path_));
  ASSERT_TRUE(file->Publish());
  EXPECT_EQ(TemporaryDirectory::Read(path_), "whole");
  EXPECT_EQ(CountFiles(), 1U);
}

TEST_F(NewFileTest, LeavesNothingWhenItIsNotPublished) {
  directory_.Write("state", "old");
  { Write(*NewFile::Create(path_, "new"), "half"); }
  EXPECT_EQ(TemporaryDirectory::Read(path_), "old");
  EXPECT_EQ(CountFiles(), 1U);
}

TEST_F(NewFileTest, StaysUnderItsTemporaryNameWhereItIsKept) {
  std::string temporary;
  {
    NewFile file = *NewFile::Create(path_, "new");
    Write(file, "kept");
    temporary = file.temporary_path();
    file.Keep();
    const NewFile moved = std::move(file);
  }
  EXPECT_EQ(TemporaryDirectory::Read(temporary), "kept");
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(NewFileTest, LeavesTheOldFileToThoseWhoHaveItOpen) {
  directory_.Write("state", "old");
  const Fd old(*OpenFile(path_, Access::kReadOnly));
  Result<NewFile> file = NewFile::Create(path_, "new");
  Write(*file, "new");
  ASSERT_TRUE(file->Publish());
  std::array<std::byte, 3> bytes;
  ASSERT_TRUE(ReadExactAt(old, 0, bytes));
  EXPECT_EQ(bytes[0], std::byte{'o'});
  EXPECT_EQ(TemporaryDirectory::Read(path_), "new");
}

TEST_F(NewFileTest, IsForItsOwnerAlone) {
  const Result<NewFile> file = NewFile::Create(path_, "new");
  struct stat status {};
  ASSERT_EQ(::fstat(file->fd().get(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(NewFileTest, TakesThePlaceOfNothingButAFile) {
  const Result<NewFile> file = NewFile::Create("/dev/null", "new");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().message(), "/dev/null is there and is no regular file");
  EXPECT_FALSE(NewFile::Create(directory_.Path(""), "new"));
}

TEST_F(NewFileTest, DoesNotFollowOrTruncateWhatHasItsTemporaryName) {
  directory_.Write("precious", "kept");
  ASSERT_EQ(::symlink(directory_.Path("precious").c_str(), (path_ + ".new").c_str()), 0);
  const Result<NewFile> file = NewFile::Create(path_, "new");
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message(), HasSubstr("File exists"));
  EXPECT_EQ(TemporaryDirectory::Read(directory_.Path("precious")), "kept");
}

TEST_F(NewFileTest, NamesADirectoryThatIsNotThere) {
  const Result<NewFile> file = NewFile::Create(directory_.Path("none/state"), "new");
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message(), HasSubstr("none/state"));
}

}  // namespace
}  // namespace ember::snapshot
