#include "memory/held_ranges.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/base/temporary_directory.h"

namespace ember {
namespace {

constexpr uint64_t kPage = 4096;
// Not within one window of page table entries, nor a whole number of windows.
constexpr GuestRange kLow{GuestAddress{0}, 16'384 * kPage + 3 * kPage};
constexpr GuestRange kHigh{GuestAddress{0x1'0000'0000}, 64 * kPage};

class HeldRangesTest : public ::testing::TestWithParam<MemoryBacking> {
 protected:
  // Whatever the host does by itself: by small pages.
  void SetUp() override {
    for (const GuestMemory::Region& region : memory_->regions()) {
      ::madvise(region.host, region.range.size_bytes, MADV_NOHUGEPAGE);
    }
  }
  std::vector<GuestRange> Held(size_t region) const {
    return HeldRanges(*memory_, memory_->regions()[region]);
  }
  void Touch(GuestAddress at) const { ASSERT_TRUE(memory_->Write<uint8_t>(at, 1)); }

  const std::unique_ptr<GuestMemory> memory_ =
      *GuestMemory::Create({kLow, kHigh}, {.backing = GetParam()});
};

INSTANTIATE_TEST_SUITE_P(Backings, HeldRangesTest,
                         ::testing::Values(MemoryBacking::kAnonymous, MemoryBacking::kMemfd));

TEST_P(HeldRangesTest, AreNoneOfMemoryThatNobodyTouched) {
  EXPECT_TRUE(Held(0).empty());
  EXPECT_TRUE(Held(1).empty());
  EXPECT_TRUE(Held(0).empty()) << "to look is not to touch";
}

TEST_P(HeldRangesTest, AreWhatWasTouchedWithNeighboursInOne) {
  for (const uint64_t page : {0UL, 8191UL, 8192UL, 8193UL, 16'386UL})
    Touch(GuestAddress{page * kPage});
  Touch(kHigh.start + 63 * kPage);
  EXPECT_EQ(Held(0), (std::vector<GuestRange>{{GuestAddress{0}, kPage},
                                              {GuestAddress{8191 * kPage}, 3 * kPage},
                                              {GuestAddress{16'386 * kPage}, kPage}}));
  EXPECT_EQ(Held(1), (std::vector<GuestRange>{{kHigh.start + 63 * kPage, kPage}}));
}

TEST_P(HeldRangesTest, AreNoLongerThoseThatWereReleased) {
  Touch(kHigh.start);
  Touch(kHigh.start + kPage);
  ASSERT_TRUE(memory_->Release(kHigh.start, kPage));
  EXPECT_EQ(Held(1), (std::vector<GuestRange>{{kHigh.start + kPage, kPage}}));
}

TEST(HeldRangesOfFilesTest, AreAllOfAFileTouchedOrNot) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("file", std::string(4 * kPage, 'x'));
  const Fd file = *OpenFile(path, Access::kReadOnly);
  const auto memory = *GuestMemory::Create({kHigh}, {});
  const auto held = [&] { return HeldRanges(*memory, memory->regions()[0]); };
  ASSERT_TRUE(memory->MapFilePrivately(kHigh.start + 8 * kPage, file, 0, 4 * kPage));
  EXPECT_EQ(held(), (std::vector<GuestRange>{{kHigh.start + 8 * kPage, 4 * kPage}}));
  for (const uint64_t page : {2UL, 7UL, 9UL, 12UL}) {
    ASSERT_TRUE(memory->Write<uint8_t>(kHigh.start + page * kPage, 1));
  }
  EXPECT_EQ(held(), (std::vector<GuestRange>{{kHigh.start + 2 * kPage, kPage},
                                             {kHigh.start + 7 * kPage, 6 * kPage}}));
}

TEST(HeldRangesOfFilesTest, AreNoHolesOfTheFileThatAllIsMappedFrom) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("file", "");
  std::filesystem::resize_file(path, 80 * kPage);
  const Fd file = *OpenFile(path, Access::kReadWrite);
  ASSERT_EQ(::pwrite(file.get(), "x", 1, 20 * kPage + 5), 1);
  const auto memory = *GuestMemory::Create({kHigh}, {});
  ASSERT_TRUE(memory->MapFilePrivately(kHigh.start, file, 16 * kPage, 64 * kPage));
  const MappedFile mapped{.file = &file, .offset_bytes = 16 * kPage};
  const auto held = [&] { return HeldRanges(*memory, memory->regions()[0], mapped); };
  EXPECT_EQ(held(), (std::vector<GuestRange>{{kHigh.start + 4 * kPage, kPage}}));
  ASSERT_TRUE(memory->Write<uint8_t>(kHigh.start + 63 * kPage, 1));
  EXPECT_EQ(held(), (std::vector<GuestRange>{{kHigh.start + 4 * kPage, kPage},
                                             {kHigh.start + 63 * kPage, kPage}}));
}

}  // namespace
}  // namespace ember
