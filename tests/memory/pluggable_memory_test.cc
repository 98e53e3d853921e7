#include "memory/pluggable_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "memory/guest_memory.h"

namespace ember {
namespace {

using Blocks = PluggableMemory::Blocks;
using testing::HasSubstr;

constexpr uint64_t kMib = uint64_t{1} << 20;
constexpr uint64_t kBlock = 2 * kMib;
constexpr uint64_t kBlockCount = 130;  // three words of the bitmap, the last not full
constexpr uint64_t kStart = uint64_t{4} << 30;
constexpr GuestRange kRam{.start = GuestAddress{0}, .size_bytes = 8 * kMib};
constexpr GuestRange kRange{.start = GuestAddress{kStart}, .size_bytes = kBlockCount * kBlock};

GuestMemory::Options Options(MemoryBacking backing = MemoryBacking::kAnonymous) {
  return {.backing = backing,
          .track_dirty_pages = true,
          .pluggable = PluggableMemory::Options{.range = kRange, .block_bytes = kBlock}};
}

GuestAddress At(uint64_t offset) { return GuestAddress{kStart + offset}; }

uint64_t ResidentPages(const std::byte* host, uint64_t len) {
  std::vector<unsigned char> pages(len / 4096);
  if (::mincore(const_cast<std::byte*>(host), len, pages.data()) < 0) return UINT64_MAX;
  uint64_t count = 0;
  for (const unsigned char page : pages) count += page & 1;
  return count;
}

class PluggableMemoryTest : public testing::TestWithParam<MemoryBacking> {
 protected:
  std::unique_ptr<GuestMemory> memory_ = GuestMemory::Create({kRam}, Options(GetParam())).value();
  PluggableMemory& pluggable_ = *memory_->pluggable();
};

INSTANTIATE_TEST_SUITE_P(Backings, PluggableMemoryTest,
                         testing::Values(MemoryBacking::kAnonymous, MemoryBacking::kMemfd));

TEST_P(PluggableMemoryTest, IsNoRegionAndNoRam) {
  EXPECT_EQ(memory_->regions().size(), 1U);
  EXPECT_EQ(memory_->size_bytes(), kRam.size_bytes);
  EXPECT_EQ(pluggable_.range(), kRange);
  EXPECT_EQ(pluggable_.block_count(), kBlockCount);
}

TEST_P(PluggableMemoryTest, NothingIsPluggedAtFirstAndNoAccessReachesIt) {
  EXPECT_EQ(pluggable_.CountPlugged(pluggable_.all_blocks()), 0U);
  EXPECT_FALSE(memory_->Read<uint64_t>(At(0)).has_value());
  EXPECT_FALSE(memory_->Write<uint64_t>(At(0), 1).has_value());
  EXPECT_FALSE(memory_->HostSpan(At(0), 1).has_value());
  EXPECT_FALSE(memory_->Release(At(0), kBlock).has_value());
  EXPECT_TRUE(memory_->HostPrefix(At(0), 1).empty());
  EXPECT_EQ(ResidentPages(pluggable_.host(), kRange.size_bytes), 0U);
}

TEST_P(PluggableMemoryTest, WhatIsPluggedIsReadAndWritten) {
  pluggable_.SetPlugged({.first = 3, .count = 1});
  EXPECT_TRUE(memory_->Write<uint64_t>(At(3 * kBlock), 7).has_value());
  EXPECT_EQ(memory_->Read<uint64_t>(At(3 * kBlock)).value(), 7U);
  EXPECT_EQ(memory_->AddressOf(pluggable_.host() + 3 * kBlock + 5), At(3 * kBlock + 5));
}

TEST_P(PluggableMemoryTest, AnAccessEndsWhereTheBlockEnds) {
  pluggable_.SetPlugged({.first = 1, .count = 1});
  EXPECT_EQ(memory_->HostPrefix(At(kBlock), kBlock + 1).size(), kBlock);
  EXPECT_EQ(memory_->HostPrefix(At(2 * kBlock - 1), 2).size(), 1U);
  EXPECT_TRUE(memory_->HostPrefix(At(2 * kBlock), 1).empty());
  EXPECT_TRUE(memory_->HostPrefix(At(kBlock - 1), 2).empty());
  EXPECT_TRUE(memory_->HostSpan(At(kBlock), kBlock).has_value());
  EXPECT_FALSE(memory_->HostSpan(At(kBlock), kBlock + 1).has_value());
  EXPECT_FALSE(memory_->HostSpan(At(kBlock - 1), 2).has_value());
  EXPECT_TRUE(memory_->Write<uint16_t>(At(2 * kBlock - 2), 1).has_value());
  EXPECT_FALSE(memory_->Write<uint16_t>(At(2 * kBlock - 1), 1).has_value());
  EXPECT_FALSE(memory_->Read<uint16_t>(At(kBlock - 1)).has_value());
}

TEST_P(PluggableMemoryTest, AnAccessCrossesAnyNumberOfPluggedBlocks) {
  pluggable_.SetPlugged(pluggable_.all_blocks());
  EXPECT_EQ(memory_->HostSpan(At(0), kRange.size_bytes).value().size(), kRange.size_bytes);
  EXPECT_FALSE(memory_->HostSpan(At(0), kRange.size_bytes + 1).has_value());
  EXPECT_EQ(memory_->HostPrefix(At(kRange.size_bytes - 1), UINT64_MAX).size(), 1U);
  pluggable_.SetUnplugged({.first = 64, .count = 1});
  EXPECT_EQ(memory_->HostPrefix(At(1), UINT64_MAX).size(), 64 * kBlock - 1);
  EXPECT_EQ(memory_->HostPrefix(At(65 * kBlock), UINT64_MAX).size(), 65 * kBlock);
}

TEST_P(PluggableMemoryTest, DiscardGivesTheMemoryBackAndLeavesZeros) {
  pluggable_.SetPlugged({.first = 0, .count = 2});
  const std::vector<std::byte> pattern(2 * kBlock, std::byte{0x5a});
  ASSERT_TRUE(memory_->WriteBytes(At(0), pattern).has_value());
  EXPECT_EQ(ResidentPages(pluggable_.host(), 2 * kBlock), 2 * kBlock / 4096);
  ASSERT_TRUE(pluggable_.Discard(pluggable_.RangeOf({.first = 1, .count = 1})).has_value());
  EXPECT_EQ(ResidentPages(pluggable_.host(), 2 * kBlock), kBlock / 4096);
  EXPECT_EQ(memory_->Read<uint64_t>(At(kBlock)).value(), 0U);
  EXPECT_EQ(memory_->Read<uint64_t>(At(kBlock - 8)).value(), 0x5a5a'5a5a'5a5a'5a5aU);
}

TEST_P(PluggableMemoryTest, PagesOfPluggedMemoryCanBeReleased) {
  pluggable_.SetPlugged({.first = 0, .count = 1});
  ASSERT_TRUE(memory_->Write<uint64_t>(At(4096), 1).has_value());
  EXPECT_EQ(memory_->Release(At(0), 3 * 4096).value(), 3U * 4096);
  EXPECT_EQ(memory_->Read<uint64_t>(At(4096)).value(), 0U);
}

TEST_P(PluggableMemoryTest, ReserveIsHarmless) {
  EXPECT_EQ(pluggable_.Reserve(pluggable_.range()).value(), 0U);
  EXPECT_EQ(ResidentPages(pluggable_.host(), kRange.size_bytes), 0U);
}

TEST_P(PluggableMemoryTest, WrittenPagesAreMarkedAsOneMoreRegion) {
  pluggable_.SetPlugged({.first = 0, .count = 1});
  ASSERT_TRUE(memory_->Write<uint64_t>(At(2 * 4096), 1).has_value());
  EXPECT_EQ(memory_->dirty_pages()->Take(1)[0], 1U << 2);
}

// Against one bool a block.
TEST_P(PluggableMemoryTest, AgreesWithAModelOverRandomRanges) {
  std::mt19937_64 random(1);
  std::vector<bool> model(kBlockCount);
  const auto below = [&random](uint64_t limit) { return random() % limit; };
  for (int round = 0; round < 2000; ++round) {
    const uint64_t first = below(kBlockCount);
    const Blocks blocks{.first = first, .count = below(kBlockCount - first + 1)};
    const bool plug = below(2) == 0;
    plug ? pluggable_.SetPlugged(blocks) : pluggable_.SetUnplugged(blocks);
    for (uint64_t i = blocks.first; i < blocks.end(); ++i) model[i] = plug;

    const uint64_t offset = below(kRange.size_bytes);
    uint64_t reach = offset / kBlock;
    while (reach < kBlockCount && model[reach]) ++reach;
    const uint64_t expected = reach * kBlock > offset ? reach * kBlock - offset : 0;
    ASSERT_EQ(memory_->HostPrefix(At(offset), UINT64_MAX).size(), expected);
    const Blocks counted{.first = first, .count = below(kBlockCount - first + 1)};
    uint64_t count = 0;
    for (uint64_t i = counted.first; i < counted.end(); ++i) count += model[i] ? 1U : 0U;
    ASSERT_EQ(pluggable_.CountPlugged(counted), count);
  }
}

// What ThreadSanitizer and AddressSanitizer watch.
TEST_P(PluggableMemoryTest, AccessesMeetPluggingAndUnpluggingUnharmed) {
  std::atomic<bool> done{false};
  std::thread device([&] {
    std::array<std::byte, 4096> bytes{};
    while (!done.load(std::memory_order_relaxed)) {
      static_cast<void>(memory_->ReadBytes(At(kBlock - 2048), bytes));
    }
  });
  for (int round = 0; round < 200; ++round) {
    pluggable_.SetPlugged({.first = 0, .count = 2});
    pluggable_.SetUnplugged({.first = 1, .count = 1});
    ASSERT_TRUE(pluggable_.Discard(pluggable_.RangeOf({.first = 1, .count = 1})).has_value());
  }
  done.store(true, std::memory_order_relaxed);
  device.join();
}

std::string CreationError(const PluggableMemory::Options& options) {
  const auto memory = GuestMemory::Create({kRam}, {.pluggable = options});
  return memory ? "no error" : memory.error().message();
}

TEST(PluggableMemoryCreationTest, IsRefusedWhereItIsNotMadeOfWholeBlocks) {
  EXPECT_THAT(CreationError({.range = kRange, .block_bytes = 3 * kMib}),
              HasSubstr("not a power of two"));
  EXPECT_THAT(CreationError({.range = kRange, .block_bytes = 0}), HasSubstr("not a power of two"));
  EXPECT_THAT(CreationError({.range = kRange, .block_bytes = 2 * kRange.size_bytes}),
              HasSubstr("power of two"));
  EXPECT_THAT(CreationError({.range = {kRange.start, kBlock + 4096}, .block_bytes = kBlock}),
              HasSubstr("whole blocks of 2097152"));
  EXPECT_THAT(CreationError({.range = {At(4096), kBlock}, .block_bytes = kBlock}),
              HasSubstr("whole blocks"));
  EXPECT_THAT(CreationError({.range = {kRange.start, 0}, .block_bytes = kBlock}),
              HasSubstr("whole blocks"));
}

TEST(PluggableMemoryCreationTest, IsRefusedWhereItIsNotAboveRam) {
  EXPECT_THAT(CreationError({.range = {GuestAddress{6 * kMib}, 4 * kMib}, .block_bytes = 2 * kMib}),
              HasSubstr("is not above"));
  EXPECT_THAT(CreationError({.range = {GuestAddress{0 - kBlock}, kBlock}, .block_bytes = kBlock}),
              HasSubstr("does not end below 2^64"));
}

TEST(PluggableMemoryCreationTest, MayFollowRamWithoutAHole) {
  const auto memory =
      GuestMemory::Create({kRam}, {.pluggable = PluggableMemory::Options{
                                       .range = {kRam.end(), kBlock}, .block_bytes = kBlock}});
  memory.value()->pluggable()->SetPlugged({.first = 0, .count = 1});
  const GuestAddress across = GuestAddress{kRam.size_bytes - 4};
  EXPECT_TRUE((*memory)->Write<uint64_t>(across, 0x1122'3344'5566'7788).has_value());
  EXPECT_EQ((*memory)->Read<uint64_t>(across).value(), 0x1122'3344'5566'7788U);
  EXPECT_FALSE((*memory)->HostSpan(across, 8).has_value());
}

}  // namespace
}  // namespace ember
