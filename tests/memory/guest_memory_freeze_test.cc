#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <span>
#include <vector>

#include "base/fd.h"
#include "memory/guest_memory.h"
#include "memory/held_ranges.h"

namespace ember {
namespace {

constexpr uint64_t kPage = 4096;
constexpr GuestRange kLow{GuestAddress{0}, 64 * kPage};
constexpr GuestRange kHigh{GuestAddress{0x1'0000'0000}, 32 * kPage};

class GuestMemoryFreezeTest : public ::testing::Test {
 protected:
  Fd Freeze() const {
    Result<Fd> image = memory_->Freeze();
    EXPECT_TRUE(image) << image.error().message();
    return *std::move(image);
  }
  uint64_t Read(GuestAddress at) const { return *memory_->Read<uint64_t>(at); }
  void Write(GuestAddress at, uint64_t value) const { ASSERT_TRUE(memory_->Write(at, value)); }
  static uint64_t InImage(const Fd& image, uint64_t offset_bytes) {
    uint64_t value = 0;
    EXPECT_TRUE(ReadExactAt(image, offset_bytes, std::as_writable_bytes(std::span(&value, 1))));
    return value;
  }

  const std::unique_ptr<GuestMemory> memory_ =
      *GuestMemory::Create({kLow, kHigh}, {.backing = MemoryBacking::kForkable});
};

TEST_F(GuestMemoryFreezeTest, TheImageHoldsWhatWasThere) {
  Write(kLow.start + kPage, 11);
  Write(kHigh.start + 31 * kPage, 12);
  const Fd image = Freeze();
  EXPECT_EQ(*FileSize(image, "image"), kLow.size_bytes + kHigh.size_bytes);
  EXPECT_EQ(InImage(image, kPage), 11U);
  EXPECT_EQ(InImage(image, kLow.size_bytes + 31 * kPage), 12U);
  EXPECT_EQ(InImage(image, 0), 0U);
}

TEST_F(GuestMemoryFreezeTest, TheMemoryKeepsWhatItHadAtTheSameAddresses) {
  Write(kLow.start, 1);
  Write(kHigh.start + 8, 2);
  const std::byte* const host = (*memory_->HostSpan(kHigh.start, 16)).data();
  const Fd image = Freeze();
  EXPECT_EQ(Read(kLow.start), 1U);
  EXPECT_EQ(Read(kHigh.start + 8), 2U);
  EXPECT_EQ((*memory_->HostSpan(kHigh.start, 16)).data(), host);
  EXPECT_EQ(memory_->AddressOf(host), kHigh.start);
}

TEST_F(GuestMemoryFreezeTest, WhatIsWrittenLaterIsNotInTheImage) {
  Write(kLow.start, 1);
  std::byte* const span = (*memory_->HostSpan(kHigh.start, 8)).data();
  const Fd image = Freeze();
  Write(kLow.start, 2);
  Write(kLow.start + 5 * kPage, 3);
  *span = std::byte{4};
  EXPECT_EQ(InImage(image, 0), 1U);
  EXPECT_EQ(InImage(image, 5 * kPage), 0U);
  EXPECT_EQ(InImage(image, kLow.size_bytes), 0U);
  EXPECT_EQ(Read(kLow.start), 2U);
  EXPECT_EQ(Read(kLow.start + 5 * kPage), 3U);
  EXPECT_EQ(Read(kHigh.start), 4U);
}

TEST_F(GuestMemoryFreezeTest, NobodyCanChangeTheImage) {
  const Fd image = Freeze();
  const uint64_t value = 1;
  EXPECT_LT(::pwrite(image.get(), &value, sizeof(value), 0), 0);
  EXPECT_LT(::ftruncate(image.get(), 0), 0);
  EXPECT_LT(::fallocate(image.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kPage), 0);
  EXPECT_EQ(::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, image.get(), 0), MAP_FAILED);
  EXPECT_LT(::fcntl(image.get(), F_ADD_SEALS, F_SEAL_WRITE), 0) << "nor seal it";
}

TEST_F(GuestMemoryFreezeTest, AnotherMemoryOfTheImageHasItsOwnWrites) {
  Write(kLow.start, 7);
  const Fd image = Freeze();
  const auto clone = *GuestMemory::Create({kLow, kHigh}, {});
  ASSERT_TRUE(clone->MapFilePrivately(kLow.start, image, 0, kLow.size_bytes));
  ASSERT_TRUE(clone->Write<uint64_t>(kLow.start + kPage, 8));
  Write(kLow.start + 2 * kPage, 9);
  EXPECT_EQ(*clone->Read<uint64_t>(kLow.start), 7U);
  EXPECT_EQ(*clone->Read<uint64_t>(kLow.start + 2 * kPage), 0U);
  EXPECT_EQ(Read(kLow.start + kPage), 0U);
}

TEST_F(GuestMemoryFreezeTest, FrozenMemoryIsReleasedAndReadsZeros) {
  Write(kLow.start, 7);
  Write(kLow.start + kPage, 8);
  const Fd image = Freeze();
  Write(kLow.start, 9);
  EXPECT_EQ(memory_->Release(kLow.start, 2 * kPage).value_or(0), 2 * kPage);
  EXPECT_EQ(Read(kLow.start), 0U);
  EXPECT_EQ(Read(kLow.start + kPage), 0U);
  EXPECT_EQ(InImage(image, kPage), 8U);
}

TEST_F(GuestMemoryFreezeTest, FrozenMemoryHoldsWhatTheImageDoesAndWhatWasWritten) {
  Write(kLow.start + 3 * kPage, 1);
  const Fd image = Freeze();
  Write(kLow.start + 9 * kPage, 1);
  EXPECT_EQ(
      HeldRanges(*memory_, memory_->regions()[0], {.file = &image, .offset_bytes = 0}),
      (std::vector<GuestRange>{{kLow.start + 3 * kPage, kPage}, {kLow.start + 9 * kPage, kPage}}));
}

TEST_F(GuestMemoryFreezeTest, ForkableMemoryIsFrozenOnce) {
  EXPECT_TRUE(memory_->can_freeze());
  const Fd image = Freeze();
  EXPECT_FALSE(memory_->can_freeze());
  EXPECT_FALSE((*GuestMemory::Create({kLow}, {}))->can_freeze());
  EXPECT_FALSE((*GuestMemory::Create({kLow}, {.backing = MemoryBacking::kMemfd}))->can_freeze());
}

TEST_F(GuestMemoryFreezeTest, ForgottenPageTablesLoseNothing) {
  for (uint64_t page = 0; page < 64; ++page) Write(kLow.start + page * kPage, page + 1);
  Write(kHigh.start, 100);
  EXPECT_TRUE(memory_->ForgetPageTables(0, 10 * kPage));
  EXPECT_TRUE(memory_->ForgetPageTables(10 * kPage, 60 * kPage));
  EXPECT_FALSE(memory_->ForgetPageTables(70 * kPage, 1000 * kPage));
  EXPECT_FALSE(memory_->ForgetPageTables(96 * kPage, kPage));
  for (uint64_t page = 0; page < 64; ++page) EXPECT_EQ(Read(kLow.start + page * kPage), page + 1);
  EXPECT_EQ(Read(kHigh.start), 100U);
}

}  // namespace
}  // namespace ember
