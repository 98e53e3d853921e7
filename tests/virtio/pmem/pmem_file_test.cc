#include "virtio/pmem/pmem_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "tests/base/temporary_directory.h"

namespace ember::virtio {
namespace {

using testing::HasSubstr;

constexpr uint64_t kAlignment = uint64_t{2} << 20;

class PmemFileTest : public ::testing::Test {
 protected:
  std::string Make(uint64_t size_bytes) {
    return directory.Write("disk", std::string(size_bytes, 'd'));
  }
  std::string ErrorOf(const std::string& path, Access access = Access::kReadWrite) {
    const auto file = PmemFile::Open(path, access);
    return file ? "" : file.error().message();
  }

  const TemporaryDirectory directory;
};

TEST_F(PmemFileTest, IsSeenInWholeUnitsOfTwoMebibytes) {
  for (const uint64_t size :
       {uint64_t{1}, uint64_t{4096}, kAlignment - 1, kAlignment, kAlignment + 1}) {
    const auto file = *PmemFile::Open(Make(size), Access::kReadWrite);
    EXPECT_EQ(file->kept_bytes(), size);
    EXPECT_EQ(file->size_bytes(), size <= kAlignment ? kAlignment : 2 * kAlignment);
    EXPECT_EQ(std::bit_cast<uintptr_t>(file->bytes().data()) % kAlignment, 0U);
  }
}

TEST_F(PmemFileTest, WritesAreTheFiles) {
  const std::string path = Make(5000);
  const auto file = *PmemFile::Open(path, Access::kReadWrite);
  file->bytes()[4999] = std::byte{'x'};
  EXPECT_TRUE(file->Flush());
  EXPECT_EQ(TemporaryDirectory::Read(path)[4999], 'x');
}

// No address that the guest is shown faults, and what is behind the end stays there.
TEST_F(PmemFileTest, EveryByteCanBeTouchedAndNoneBehindTheEndIsKept) {
  const std::string path = Make(5000);
  {
    const auto file = *PmemFile::Open(path, Access::kReadWrite);
    for (uint64_t at = 0; at < file->size_bytes(); at += 2048) file->bytes()[at] = std::byte{1};
    EXPECT_TRUE(file->Flush());
  }
  EXPECT_EQ(TemporaryDirectory::Read(path).size(), 5000U);
}

TEST_F(PmemFileTest, ReadOnlyNeedsNoPermissionToWriteAndShowsTheFile) {
  const std::string path = Make(5000);
  ASSERT_EQ(::chmod(path.c_str(), 0400), 0);
  const auto file = *PmemFile::Open(path, Access::kReadOnly);
  EXPECT_EQ(file->access(), Access::kReadOnly);
  EXPECT_EQ(file->bytes()[4999], std::byte{'d'});
  EXPECT_EQ(file->bytes()[5000], std::byte{0});
  EXPECT_EQ(file->bytes()[file->size_bytes() - 1], std::byte{0});
}

TEST_F(PmemFileTest, WhatIsNoFileOfSomeSizeIsRefusedByName) {
  EXPECT_THAT(ErrorOf(Make(0)), HasSubstr("is empty"));
  EXPECT_THAT(ErrorOf("/nonexistent/file"), HasSubstr("/nonexistent/file"));
  EXPECT_THAT(ErrorOf("/dev/zero"), HasSubstr("neither a regular file nor a block device"));
  EXPECT_THAT(ErrorOf(directory.Path("."), Access::kReadOnly), HasSubstr("neither a regular file"));
}

}  // namespace
}  // namespace ember::virtio
