#include "devices/vm_clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <memory>

namespace ember {
namespace {

constexpr GuestRange kRam{GuestAddress{0}, 0x8000};
constexpr GuestAddress kPlace{0x3000};

// Offsets of <linux/vmclock-abi.h>.
constexpr uint64_t kSequence = 0x0c;
constexpr uint64_t kDisruptions = 0x10;
constexpr uint64_t kFlags = 0x18;
constexpr uint64_t kGeneration = 0x68;

class VmClockTest : public ::testing::Test {
 protected:
  template <typename T>
  T At(uint64_t offset) const {
    return memory_->Read<T>(kPlace + offset).value();
  }

  std::unique_ptr<GuestMemory> memory_ = *GuestMemory::Create({kRam}, {.track_dirty_pages = true});
};

TEST_F(VmClockTest, AGuestFindsAPageWithoutAClock) {
  ASSERT_TRUE(VmClock(kPlace).Show(*memory_));
  EXPECT_EQ(At<uint32_t>(0x00), 0x4b4c'4356U);  // VMCLOCK_MAGIC
  EXPECT_EQ(At<uint32_t>(0x04), 4096U);
  EXPECT_EQ(At<uint16_t>(0x08), 1);
  EXPECT_EQ(At<uint8_t>(0x0a), 0xff);       // VMCLOCK_COUNTER_INVALID
  EXPECT_EQ(At<uint8_t>(0x0b), 1);          // VMCLOCK_TIME_TAI
  EXPECT_EQ(At<uint64_t>(kFlags), 0x300U);  // VM_GEN_COUNTER and NOTIFICATION_PRESENT
  EXPECT_EQ(At<uint8_t>(0x22), 0);          // VMCLOCK_STATUS_UNKNOWN
  EXPECT_EQ(At<uint32_t>(kSequence) % 2, 0U);
  for (uint64_t offset = 0x23; offset < kGeneration; ++offset) {
    EXPECT_EQ(At<uint8_t>(offset), 0) << offset;
  }
}

TEST_F(VmClockTest, ANewGenerationIsADisruptionAndChangesTheSequence) {
  VmClock clock(kPlace);
  ASSERT_TRUE(clock.Show(*memory_));
  ASSERT_TRUE(clock.BeginGeneration(*memory_, 77));
  EXPECT_EQ(At<uint32_t>(kSequence), 2U);
  EXPECT_EQ(At<uint64_t>(kDisruptions), 1U);
  EXPECT_EQ(At<uint64_t>(kGeneration), 77U);
  ASSERT_TRUE(clock.BeginGeneration(*memory_, 5));
  EXPECT_EQ(At<uint32_t>(kSequence), 4U);
  EXPECT_EQ(At<uint64_t>(kDisruptions), 2U);
  EXPECT_EQ(At<uint64_t>(kGeneration), 5U);
}

// Also where the state comes from a file that says anything.
TEST_F(VmClockTest, TheSequenceIsEvenAfterwardsWhateverItWas) {
  for (const uint32_t sequence : {6U, 7U, 0xffff'fffeU, 0xffff'ffffU}) {
    VmClock clock(kPlace, {.sequence = sequence});
    ASSERT_TRUE(clock.BeginGeneration(*memory_, 1));
    EXPECT_EQ(At<uint32_t>(kSequence) % 2, 0U);
    EXPECT_NE(At<uint32_t>(kSequence), sequence);
  }
}

TEST_F(VmClockTest, WhatIsSavedGoesOn) {
  VmClock first(kPlace);
  ASSERT_TRUE(first.BeginGeneration(*memory_, 9));
  VmClock second(kPlace, first.Save());
  ASSERT_TRUE(second.BeginGeneration(*memory_, 10));
  EXPECT_EQ(At<uint32_t>(kSequence), 4U);
  EXPECT_EQ(At<uint64_t>(kDisruptions), 2U);
  EXPECT_EQ(second.Save().generation, 10U);
}

TEST_F(VmClockTest, WhatAGuestWroteOverItIsGoneWithTheNextGeneration) {
  VmClock clock(kPlace);
  ASSERT_TRUE(clock.Show(*memory_));
  ASSERT_TRUE(clock.BeginGeneration(*memory_, 3));
  VmClock copy(kPlace, clock.Save());
  std::array<std::byte, 112> rubbish;
  rubbish.fill(std::byte{0xa5});
  ASSERT_TRUE(memory_->WriteBytes(kPlace, rubbish));
  ASSERT_TRUE(copy.BeginGeneration(*memory_, 3));
  EXPECT_EQ(At<uint32_t>(0x00), 0x4b4c'4356U);
  EXPECT_EQ(At<uint32_t>(kSequence), 4U);
  EXPECT_EQ(At<uint64_t>(kFlags), 0x300U);
}

TEST_F(VmClockTest, AnotherPageIsLeftAlone) {
  VmClock clock(kPlace);
  ASSERT_TRUE(clock.BeginGeneration(*memory_, ~uint64_t{0}));
  std::array<std::byte, 0x8000> all;
  ASSERT_TRUE(memory_->ReadBytes(GuestAddress{0}, all));
  for (size_t at = 0; at < all.size(); ++at) {
    if (at >= 0x3000 && at < 0x3000 + 112) continue;
    ASSERT_EQ(all[at], std::byte{0}) << at;
  }
}

TEST_F(VmClockTest, APageThatIsNotThereIsAnError) {
  VmClock clock(GuestAddress{0x8000});
  EXPECT_FALSE(clock.Show(*memory_));
  EXPECT_FALSE(clock.BeginGeneration(*memory_, 1));
}

}  // namespace
}  // namespace ember
