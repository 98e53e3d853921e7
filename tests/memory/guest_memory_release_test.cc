#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/thread.h"
#include "memory/guest_memory.h"
#include "tests/base/temporary_directory.h"

namespace ember {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kHugePage = uint64_t{2} << 20;
constexpr GuestRange kLow{GuestAddress{0}, 64 * kPage};
constexpr GuestRange kHigh{GuestAddress{0x100000}, 16 * kPage};

// How many pages of the range hold memory of the host's.
uint64_t ResidentPages(const GuestMemory& memory, GuestAddress at, uint64_t len) {
  const std::span<std::byte> bytes = memory.HostSpan(at, len).value();
  std::vector<unsigned char> resident(len / kPage);
  EXPECT_EQ(::mincore(bytes.data(), bytes.size(), resident.data()), 0);
  return static_cast<uint64_t>(std::ranges::count(resident, 1));
}

class ReleaseTest : public ::testing::TestWithParam<MemoryBacking> {
 protected:
  void SetUp() override {
    for (const auto& region : memory->regions()) {
      std::ranges::fill(std::span(region.host, region.range.size_bytes), std::byte{0x5a});
    }
  }
  uint64_t Release(uint64_t at, uint64_t len) {
    return memory->Release(GuestAddress{at}, len).value();
  }
  uint8_t At(uint64_t at) { return memory->Read<uint8_t>(GuestAddress{at}).value(); }

  const std::unique_ptr<GuestMemory> memory =
      GuestMemory::Create({kLow, kHigh}, {.backing = GetParam(), .track_dirty_pages = true})
          .value();
};

INSTANTIATE_TEST_SUITE_P(Backings, ReleaseTest,
                         ::testing::Values(MemoryBacking::kAnonymous,
                                           MemoryBacking::kTransparentHuge, MemoryBacking::kMemfd));

TEST_P(ReleaseTest, GivesThePagesToTheHostAndLeavesZeros) {
  EXPECT_EQ(ResidentPages(*memory, kLow.start, kLow.size_bytes), 64U);
  EXPECT_EQ(Release(4 * kPage, 8 * kPage), 8 * kPage);
  EXPECT_EQ(ResidentPages(*memory, kLow.start, kLow.size_bytes), 56U);
  EXPECT_EQ(ResidentPages(*memory, GuestAddress{4 * kPage}, 8 * kPage), 0U);
  EXPECT_EQ(At(4 * kPage), 0);
  EXPECT_EQ(At(12 * kPage - 1), 0);
}

TEST_P(ReleaseTest, LeavesTheNeighboursAsTheyAre) {
  Release(4 * kPage, 8 * kPage);
  EXPECT_EQ(At(4 * kPage - 1), 0x5a);
  EXPECT_EQ(At(12 * kPage), 0x5a);
  EXPECT_EQ(At(ToInteger(kHigh.start)), 0x5a);
}

TEST_P(ReleaseTest, FindsTheSecondRegionsPlace) {
  EXPECT_EQ(Release(ToInteger(kHigh.start) + kPage, kPage), kPage);
  EXPECT_EQ(ResidentPages(*memory, kHigh.start, kHigh.size_bytes), 15U);
  EXPECT_EQ(ResidentPages(*memory, kLow.start, kLow.size_bytes), 64U);
}

TEST_P(ReleaseTest, TakesOnlyWholePages) {
  EXPECT_EQ(Release(kPage - 1, 2), 0U);
  EXPECT_EQ(Release(1, kPage), 0U);
  EXPECT_EQ(Release(1, 2 * kPage - 1), kPage);
  EXPECT_EQ(Release(8 * kPage, 0), 0U);
  EXPECT_EQ(At(0), 0x5a);
  EXPECT_EQ(At(kPage), 0);
  EXPECT_EQ(At(2 * kPage), 0x5a);
}

TEST_P(ReleaseTest, RefusesWhatIsNotInOneRegion) {
  EXPECT_FALSE(memory->Release(GuestAddress{63 * kPage}, 2 * kPage));
  EXPECT_FALSE(memory->Release(GuestAddress{64 * kPage}, kPage));
  EXPECT_FALSE(memory->Release(GuestAddress{0}, ~uint64_t{0}));
  EXPECT_FALSE(memory->Release(GuestAddress{~uint64_t{0} - kPage}, 2 * kPage));
  EXPECT_EQ(ResidentPages(*memory, kLow.start, kLow.size_bytes), 64U);
}

TEST_P(ReleaseTest, MarksWhatReadsDifferentlyNow) {
  memory->dirty_pages()->Take(0);
  Release(4 * kPage + 1, 4 * kPage);
  EXPECT_EQ(memory->dirty_pages()->Take(0), std::vector<uint64_t>{0b11100000});
}

TEST_P(ReleaseTest, LeavesMemoryThatTakesNewBytes) {
  Release(0, kLow.size_bytes);
  ASSERT_TRUE(memory->Write<uint64_t>(GuestAddress{5 * kPage}, 7));
  EXPECT_EQ(memory->Read<uint64_t>(GuestAddress{5 * kPage}).value(), 7U);
  EXPECT_EQ(ResidentPages(*memory, kLow.start, kLow.size_bytes), 1U);
}

TEST_P(ReleaseTest, MayBeCalledByManyThreads) {
  const auto work = [this] {
    for (int i = 0; i < 200; ++i) Release(16 * kPage, 32 * kPage);
  };
  {
    const Thread first = *Thread::Start("first", work);
    const Thread second = *Thread::Start("second", work);
  }
  EXPECT_EQ(ResidentPages(*memory, GuestAddress{16 * kPage}, 32 * kPage), 0U);
}

TEST(AddressOfTest, IsWhereTheSpanCameFrom) {
  const auto memory = GuestMemory::Create({kLow, kHigh}, {}).value();
  for (const uint64_t at : {uint64_t{0}, 64 * kPage - 1, uint64_t{0x100000}, uint64_t{0x10ffff}}) {
    const GuestAddress address{at};
    EXPECT_EQ(memory->AddressOf(memory->HostSpan(address, 1).value().data()), address);
  }
  const std::byte elsewhere{};
  EXPECT_EQ(memory->AddressOf(&elsewhere), std::nullopt);
  EXPECT_EQ(memory->AddressOf(memory->regions()[1].host + kHigh.size_bytes), std::nullopt);
}

class ReleaseFileTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kFilePages = 4096;

  const TemporaryDirectory directory_;
  const Fd file_ =
      OpenFile(directory_.Write("kernel", std::string(kFilePages* kPage, 'k')), Access::kReadOnly)
          .value();
  const std::unique_ptr<GuestMemory> memory_ =
      GuestMemory::Create({{GuestAddress{0}, 2 * kFilePages* kPage}}, {}).value();
};

TEST_F(ReleaseFileTest, FileDoesNotComeBackUnderTheGuest) {
  const GuestAddress at{8 * kPage};
  ASSERT_TRUE(memory_->MapFilePrivately(at, file_, 0, 8 * kPage));
  ASSERT_EQ(memory_->Read<uint8_t>(at).value(), 'k');
  EXPECT_EQ(memory_->Release(GuestAddress{6 * kPage}, 6 * kPage).value(), 6 * kPage);
  EXPECT_EQ(memory_->Read<uint8_t>(at).value(), 0);
  EXPECT_EQ(memory_->Read<uint8_t>(at + (4 * kPage - 1)).value(), 0);
  EXPECT_EQ(memory_->Read<uint8_t>(at + 4 * kPage).value(), 'k');
}

TEST_F(ReleaseFileTest, MappingsStayFewHoweverTheGuestPicks) {
  ASSERT_TRUE(memory_->MapFilePrivately(GuestAddress{0}, file_, 0, kFilePages * kPage));
  const auto mappings = [] {
    const std::string text = TemporaryDirectory::Read("/proc/self/maps");
    return std::ranges::count(text, '\n');
  };
  const auto before = mappings();
  for (uint64_t page = 0; page < kFilePages; page += 2) {
    ASSERT_TRUE(memory_->Release(GuestAddress{page * kPage}, kPage));
  }
  EXPECT_LE(mappings() - before, 2100);
}

TEST(HugePageReleaseTest, TakesOnlyWholeHugePages) {
  const auto memory = GuestMemory::Create({{GuestAddress{0}, 2 * kHugePage}},
                                          {.backing = MemoryBacking::kHugetlbfs2M});
  if (!memory) GTEST_SKIP() << memory.error().message();
  EXPECT_EQ((*memory)->page_bytes(), kHugePage);
  ASSERT_TRUE((*memory)->Write<uint8_t>(GuestAddress{0}, 1));
  ASSERT_TRUE((*memory)->Write<uint8_t>(GuestAddress{kHugePage}, 1));
  EXPECT_EQ((*memory)->Release(GuestAddress{kPage}, kHugePage).value(), 0U);
  EXPECT_EQ((*memory)->Release(GuestAddress{kPage}, 2 * kHugePage - kPage).value(), kHugePage);
  EXPECT_EQ((*memory)->Read<uint8_t>(GuestAddress{0}).value(), 1);
  EXPECT_EQ((*memory)->Read<uint8_t>(GuestAddress{kHugePage}).value(), 0);
}

}  // namespace
}  // namespace ember
