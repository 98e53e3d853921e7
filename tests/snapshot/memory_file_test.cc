#include "snapshot/memory_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "memory/held_ranges.h"
#include "tests/base/temporary_directory.h"

namespace ember::snapshot {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kPage = DirtyPages::kPageBytes;
constexpr GuestRange kLow{GuestAddress{0}, 100 * kPage};
constexpr GuestRange kHigh{GuestAddress{0x1'0000'0000}, 64 * kPage};
constexpr GuestRange kPluggable{GuestAddress{0x2'0000'0000}, 16 * kPage};

std::unique_ptr<GuestMemory> MakeMemory(MemoryBacking backing, bool pluggable = false) {
  GuestMemory::Options options{.backing = backing};
  if (pluggable) options.pluggable = {.range = kPluggable, .block_bytes = 4 * kPage};
  return *GuestMemory::Create({kLow, kHigh}, options);
}

void Fill(const GuestMemory& memory, GuestAddress at, uint64_t value) {
  const std::vector<uint64_t> words(kPage / sizeof(value), value);
  ASSERT_TRUE(memory.WriteBytes(at, std::as_bytes(std::span(words))));
}

uint64_t At(const GuestMemory& memory, GuestAddress at) { return *memory.Read<uint64_t>(at); }

class MemoryFileTest : public ::testing::TestWithParam<MemoryBacking> {
 protected:
  MemoryFileTest() : path_(directory_.Write("memory", "")) {}

  uint64_t FileBytes() const { return *FileSize(file(), path_); }
  // Of the disk's.
  uint64_t StoredBytes() const {
    struct stat status {};
    EXPECT_EQ(::stat(path_.c_str(), &status), 0);
    return static_cast<uint64_t>(status.st_blocks) * 512;
  }
  uint64_t InFile(uint64_t offset) const {
    uint64_t value = 0;
    EXPECT_TRUE(ReadExactAt(file(), offset, std::as_writable_bytes(std::span(&value, 1))));
    return value;
  }
  // A machine made from the file.
  std::unique_ptr<GuestMemory> Loaded(bool pluggable = false) const {
    auto memory = MakeMemory(GetParam(), pluggable);
    const Status loaded = LoadMemory(*memory, file(), path_);
    EXPECT_TRUE(loaded) << loaded.error().message();
    return memory;
  }
  const Fd& file() const { return file_; }

  const TemporaryDirectory directory_;
  const std::string path_;
  const Fd file_ = *OpenFile(path_, Access::kReadWrite);
};

INSTANTIATE_TEST_SUITE_P(Backings, MemoryFileTest,
                         ::testing::Values(MemoryBacking::kAnonymous, MemoryBacking::kMemfd));

TEST_P(MemoryFileTest, HoldsRegionsOneAfterTheOther) {
  const auto memory = MakeMemory(GetParam());
  Fill(*memory, kLow.start + 99 * kPage, 11);
  Fill(*memory, kHigh.start, 22);
  EXPECT_EQ(*WriteMemory(*memory, file()), 2 * kPage);
  EXPECT_EQ(FileBytes(), 164 * kPage);
  EXPECT_EQ(InFile(99 * kPage), 11U);
  EXPECT_EQ(InFile(100 * kPage), 22U);
}

TEST_P(MemoryFileTest, LeavesOutWhatIsZeros) {
  const auto memory = MakeMemory(GetParam());
  for (uint64_t page = 0; page < 64; ++page) Fill(*memory, kHigh.start + page * kPage, page % 8);
  ASSERT_TRUE(memory->Write<uint8_t>(kLow.start + (kPage - 1), 0x80)) << "the last byte alone";
  EXPECT_EQ(*WriteMemory(*memory, file()), 57 * kPage);
  EXPECT_LE(StoredBytes(), 64 * kPage);
  const auto loaded = Loaded();
  for (uint64_t page = 0; page < 64; ++page) {
    EXPECT_EQ(At(*loaded, kHigh.start + page * kPage), page % 8);
  }
  EXPECT_EQ(*loaded->Read<uint8_t>(kLow.start + (kPage - 1)), 0x80);
}

TEST_P(MemoryFileTest, TakesNoMemoryThatTheGuestDoesNotHave) {
  const auto memory = MakeMemory(GetParam());
  EXPECT_EQ(*WriteMemory(*memory, file()), 0U);
  EXPECT_EQ(FileBytes(), 164 * kPage);
  EXPECT_EQ(StoredBytes(), 0U);
}

TEST_P(MemoryFileTest, WhatAGuestWritesAfterwardsIsItsOwn) {
  const auto memory = MakeMemory(GetParam());
  Fill(*memory, kHigh.start, 7);
  ASSERT_TRUE(WriteMemory(*memory, file()));
  const auto one = Loaded();
  const auto other = Loaded();
  Fill(*one, kHigh.start, 8);
  Fill(*one, kLow.start, 9);
  EXPECT_EQ(At(*other, kHigh.start), 7U);
  EXPECT_EQ(At(*other, kLow.start), 0U);
  EXPECT_EQ(InFile(100 * kPage), 7U);
}

TEST_P(MemoryFileTest, AMachineFromAFileCanBeWrittenAgain) {
  const auto memory = MakeMemory(GetParam());
  Fill(*memory, kLow.start + 5 * kPage, 5);
  Fill(*memory, kHigh.start, 7);
  ASSERT_TRUE(WriteMemory(*memory, file()));
  const auto second = Loaded();
  Fill(*second, kHigh.start + kPage, 8);
  Fill(*second, kHigh.start, 0);
  const std::string path = directory_.Write("second", "");
  const Fd copy = *OpenFile(path, Access::kReadWrite);
  EXPECT_EQ(*WriteMemory(*second, copy), 2 * kPage);
  const auto third = MakeMemory(GetParam());
  ASSERT_TRUE(LoadMemory(*third, copy, path));
  EXPECT_EQ(At(*third, kLow.start + 5 * kPage), 5U) << "never touched in the second";
  EXPECT_EQ(At(*third, kHigh.start), 0U);
  EXPECT_EQ(At(*third, kHigh.start + kPage), 8U);
}

TEST_P(MemoryFileTest, IsWrittenAgainWithoutALookAtWhatWasNeverThere) {
  const auto first = MakeMemory(GetParam());
  Fill(*first, kLow.start + 5 * kPage, 5);
  Fill(*first, kHigh.start + kPage, 6);
  ASSERT_TRUE(WriteMemory(*first, file()));
  const auto second = Loaded();
  Fill(*second, kHigh.start + 2 * kPage, 7);
  const std::string path = directory_.Write("second", "");
  const Fd copy = *OpenFile(path, Access::kReadWrite);
  EXPECT_EQ(*WriteMemory(*second, copy, {.file = &file()}), 3 * kPage);
  // The kernel maps some of what is around a page that is read.
  const std::vector<GuestRange> low = HeldRanges(*second, second->regions()[0], {.file = &file()});
  ASSERT_FALSE(low.empty());
  EXPECT_LT(low.back().end(), kLow.start + 64 * kPage);
  const auto third = MakeMemory(GetParam());
  ASSERT_TRUE(LoadMemory(*third, copy, path));
  EXPECT_EQ(At(*third, kLow.start + 5 * kPage), 5U);
  EXPECT_EQ(At(*third, kHigh.start + kPage), 6U);
  EXPECT_EQ(At(*third, kHigh.start + 2 * kPage), 7U);
}

TEST_P(MemoryFileTest, PluggedMemoryLiesBehindRam) {
  const auto memory = MakeMemory(GetParam(), true);
  memory->pluggable()->SetPlugged({.first = 1, .count = 1});
  Fill(*memory, kPluggable.start + 4 * kPage, 33);
  EXPECT_EQ(*WriteMemory(*memory, file()), kPage);
  EXPECT_EQ(FileBytes(), 180 * kPage);
  EXPECT_EQ(InFile(168 * kPage), 33U);
  const auto loaded = Loaded(true);
  loaded->pluggable()->SetPlugged({.first = 1, .count = 1});
  EXPECT_EQ(At(*loaded, kPluggable.start + 4 * kPage), 33U);
}

TEST_P(MemoryFileTest, OfDirtyPagesHoldsThoseAndNoOthers) {
  const auto memory = MakeMemory(GetParam());
  for (uint64_t page = 0; page < 100; ++page) Fill(*memory, kLow.start + page * kPage, page + 1);
  Fill(*memory, kLow.start + 70 * kPage, 0);
  PageBits bits = {{uint64_t{1} << 63 | 1, uint64_t{1} << (70 - 64) | uint64_t{1} << (99 - 64)},
                   {0}};
  EXPECT_EQ(*WriteMemory(*memory, bits, file()), 4 * kPage);
  EXPECT_EQ(FileBytes(), 164 * kPage);
  EXPECT_EQ(InFile(0), 1U);
  EXPECT_EQ(InFile(kPage), 0U);
  EXPECT_EQ(InFile(63 * kPage), 64U);
  EXPECT_EQ(InFile(64 * kPage), 0U);
  EXPECT_EQ(InFile(99 * kPage), 100U);
  EXPECT_EQ(::lseek(file().get(), 70 * kPage, SEEK_DATA), static_cast<off_t>(70 * kPage))
      << "zeros that are new are written";
}

TEST_P(MemoryFileTest, OfAllPagesDirtyIsWhole) {
  const auto memory = MakeMemory(GetParam());
  PageBits bits = {{~uint64_t{0}, ~uint64_t{0}}, {~uint64_t{0}}};
  EXPECT_EQ(*WriteMemory(*memory, bits, file()), 164 * kPage);
}

TEST_P(MemoryFileTest, OfAnotherLengthIsRefused) {
  const auto memory = MakeMemory(GetParam());
  for (const uint64_t length : {uint64_t{0}, 163 * kPage, 164 * kPage - 1, 165 * kPage}) {
    ASSERT_EQ(::ftruncate(file().get(), static_cast<off_t>(length)), 0);
    const Status loaded = LoadMemory(*memory, file(), path_);
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().message(), "memory file " + path_ + ": the file is " +
                                            std::to_string(length) +
                                            " bytes long, the machine's memory 671744");
  }
}

TEST(MemoryFileErrorTest, AFullDiskIsNamed) {
  const auto memory = MakeMemory(MemoryBacking::kAnonymous);
  const Fd full = *OpenFile("/dev/full", Access::kReadWrite);
  const Result<uint64_t> written = WriteMemory(*memory, full);
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().message(), HasSubstr("671744"));
}

}  // namespace
}  // namespace ember::snapshot
