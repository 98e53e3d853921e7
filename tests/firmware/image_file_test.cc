#include "firmware/image_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <fstream>
#include <string>

#include "tests/firmware/image_bytes.h"

namespace ember::firmware {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kPage = 4096;

// How many mappings of `memfd:image` this process has.
int CountImageMappings() {
  std::ifstream maps("/proc/self/maps");
  int count = 0;
  for (std::string line; std::getline(maps, line);) {
    if (line.find("memfd:image") != std::string::npos) ++count;
  }
  return count;
}

uint64_t CountDirty(const GuestMemory& memory) {
  uint64_t count = 0;
  for (const uint64_t word : memory.dirty_pages()->Take(0)) {
    count += static_cast<uint64_t>(std::popcount(word));
  }
  return count;
}

class ImageFileTest : public testing::Test {
 protected:
  // Loads [offset, end) of the file to `to`, and checks what is there and around it.
  void ExpectLoaded(const GuestMemory& memory, uint64_t to, uint64_t offset) {
    const ImageFile file = ImageFile::Create(path_, fd_).value();
    const uint64_t len = contents_.size() - offset;
    ASSERT_TRUE(file.Load(memory, GuestAddress{to}, offset, len).has_value());
    EXPECT_TRUE(ReadGuest(memory, GuestAddress{to}, len) ==
                Bytes(contents_.begin() + static_cast<ptrdiff_t>(offset), contents_.end()));
    EXPECT_EQ(ReadGuest(memory, GuestAddress{to - 16}, 16), Bytes(16));
    EXPECT_EQ(ReadGuest(memory, GuestAddress{to + len}, 16), Bytes(16));
  }

  const std::string path_ = "kernel";
  const Bytes contents_ = Pattern(kMiB + 777, 5);
  const Fd fd_ = FileOf(contents_);
};

TEST_F(ImageFileTest, WholePagesAreMappedAndTheRestIsRead) {
  const auto memory = RamOf(4 * kMiB);
  ExpectLoaded(*memory, kMiB, 0);
  EXPECT_EQ(CountImageMappings(), 1);
}

TEST_F(ImageFileTest, AHeadThatIsNoWholePageIsReadAndTheRestMapped) {
  const auto memory = RamOf(4 * kMiB);
  ExpectLoaded(*memory, kMiB + 300, 300);
  EXPECT_EQ(CountImageMappings(), 1);
}

TEST_F(ImageFileTest, WhereOffsetAndAddressDisagreeTheFileIsRead) {
  const auto memory = RamOf(4 * kMiB);
  ExpectLoaded(*memory, kMiB + 300, 0);
  EXPECT_EQ(CountImageMappings(), 0);
}

TEST_F(ImageFileTest, MemoryThatIsSharedIsReadInto) {
  const auto memory = RamOf(4 * kMiB, {.backing = MemoryBacking::kMemfd});
  ExpectLoaded(*memory, kMiB, 0);
  EXPECT_EQ(CountImageMappings(), 0);
}

TEST_F(ImageFileTest, AFewPagesAreRead) {
  const auto memory = RamOf(4 * kMiB);
  ExpectLoaded(*memory, kMiB, kMiB - 3 * kPage);
  EXPECT_EQ(CountImageMappings(), 0);
}

TEST_F(ImageFileTest, WhatTheGuestWritesDoesNotReachTheFile) {
  const auto memory = RamOf(4 * kMiB);
  ExpectLoaded(*memory, kMiB, 0);
  ASSERT_TRUE(memory->Write<uint64_t>(GuestAddress{kMiB}, 0).has_value());
  Bytes now(8);
  ASSERT_TRUE(ReadExactAt(fd_, 0, now).has_value());
  EXPECT_EQ(now, Bytes(contents_.begin(), contents_.begin() + 8));
}

TEST_F(ImageFileTest, LoadedPagesAreDirty) {
  const auto memory = RamOf(4 * kMiB, {.track_dirty_pages = true});
  const ImageFile file = ImageFile::Create(path_, fd_).value();
  const uint64_t offset = 300;
  ASSERT_TRUE(file.Load(*memory, GuestAddress{kMiB + offset}, offset, contents_.size() - offset)
                  .has_value());
  EXPECT_EQ(CountDirty(*memory), (contents_.size() + kPage - 1) / kPage);
}

TEST_F(ImageFileTest, APieceNotInTheFileOrNotInRamIsAnErrorWithThePath) {
  const auto memory = RamOf(2 * kMiB);
  const ImageFile file = ImageFile::Create(path_, fd_).value();
  EXPECT_THAT(file.Load(*memory, GuestAddress{0}, 1, contents_.size()).error().message(),
              StartsWith("kernel: "));
  EXPECT_THAT(file.Load(*memory, GuestAddress{0}, UINT64_MAX, 2).error().message(),
              StartsWith("kernel: "));
  EXPECT_THAT(file.Load(*memory, GuestAddress{kMiB}, 0, contents_.size()).error().message(),
              AllOf(StartsWith("kernel: "), HasSubstr("0x100000")));
}

TEST_F(ImageFileTest, AFileThatIsNoRegularFileIsRefused) {
  const std::string path = "/dev/null";
  const Fd null = OpenFile(path, Access::kReadOnly).value();
  EXPECT_THAT(ImageFile::Create(path, null).error().message(), HasSubstr("/dev/null"));
}

}  // namespace
}  // namespace ember::firmware
