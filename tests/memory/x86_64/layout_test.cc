#include "memory/x86_64/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "memory/guest_memory.h"
#include "memory/layout.h"

namespace ember {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint64_t kPage = 4096;

GuestRange Range(uint64_t start, uint64_t size_bytes) {
  return {.start = GuestAddress{start}, .size_bytes = size_bytes};
}

TEST(RamRangesTest, NoMemoryIsNoRange) { EXPECT_THAT(RamRanges(0), IsEmpty()); }

TEST(RamRangesTest, MemoryUpToTheGapIsOneRange) {
  EXPECT_THAT(RamRanges(128 << 20), ElementsAre(Range(0, 128 << 20)));
  EXPECT_THAT(RamRanges(3 * kGiB - kPage), ElementsAre(Range(0, 3 * kGiB - kPage)));
  EXPECT_THAT(RamRanges(3 * kGiB), ElementsAre(Range(0, 3 * kGiB)));
}

TEST(RamRangesTest, MemoryOverTheGapGoesOnAt4GiB) {
  EXPECT_THAT(RamRanges(3 * kGiB + kPage), ElementsAre(Range(0, 3 * kGiB), Range(4 * kGiB, kPage)));
  EXPECT_THAT(RamRanges(8 * kGiB), ElementsAre(Range(0, 3 * kGiB), Range(4 * kGiB, 5 * kGiB)));
}

TEST(RamRangesTest, AccessInTheGapIsRefusedAndAboveItWorks) {
  const auto memory = GuestMemory::Create(RamRanges(4 * kGiB), {}).value();
  EXPECT_TRUE(memory->Write<uint8_t>(GuestAddress{0xbfff'ffff}, 1).has_value());
  EXPECT_FALSE(memory->Write<uint8_t>(x86_64::kMmioGapStart, 1).has_value());
  EXPECT_FALSE(memory->Write<uint8_t>(GuestAddress{0xffff'ffff}, 1).has_value());
  EXPECT_FALSE(memory->Write<uint16_t>(GuestAddress{0xbfff'ffff}, 1).has_value());
  EXPECT_FALSE(memory->Write<uint16_t>(GuestAddress{0xffff'ffff}, 1).has_value());
  EXPECT_TRUE(memory->Write<uint8_t>(x86_64::kMmioGapEnd, 1).has_value());
  EXPECT_TRUE(memory->Write<uint8_t>(GuestAddress{5 * kGiB - 1}, 1).has_value());
  EXPECT_FALSE(memory->Write<uint8_t>(GuestAddress{5 * kGiB}, 1).has_value());
}

TEST(RamRangesTest, SizeThatNoAddressSpaceHoldsIsRefusedByCreation) {
  EXPECT_FALSE(GuestMemory::Create(RamRanges(UINT64_MAX - (kPage - 1)), {}).has_value());
}

TEST(DeviceMemoryRangeTest, BeginsAboveRamAndTheGapAndEndsWithTheAddresses) {
  constexpr uint64_t kMiB = kGiB / 1024;
  EXPECT_EQ(DeviceMemoryRange(128 * kMiB, 36), (GuestRange{GuestAddress{4 * kGiB}, 60 * kGiB}));
  EXPECT_EQ(DeviceMemoryRange(4 * kGiB, 36), (GuestRange{GuestAddress{6 * kGiB}, 58 * kGiB}));
  EXPECT_EQ(ToInteger(DeviceMemoryRange(5 * kGiB, 46).end()), uint64_t{1} << 46);
  EXPECT_EQ(ToInteger(DeviceMemoryRange(kGiB, 64).end()), uint64_t{1} << 52);
}

TEST(DeviceMemoryRangeTest, IsEmptyWhereRamLeavesNothing) {
  EXPECT_EQ(DeviceMemoryRange(64 * kGiB, 36).size_bytes, 0u);
}

}  // namespace
}  // namespace ember
