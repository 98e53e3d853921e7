#include "memory/guest_memory.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "tests/base/temporary_directory.h"

namespace ember {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kHugePage = uint64_t{2} << 20;

GuestRange Range(uint64_t start, uint64_t size_bytes) {
  return {.start = GuestAddress{start}, .size_bytes = size_bytes};
}

std::string CreationError(std::vector<GuestRange> ranges, MemoryBacking backing) {
  const auto memory = GuestMemory::Create(std::move(ranges), {.backing = backing});
  return memory ? "no error" : memory.error().message();
}

// Two adjacent regions, a hole of one page, a third.
//   0x1000 first 0x3000 second 0x4000 hole 0x5000 third 0x7000
const std::vector<GuestRange> kRanges = {Range(0x1000, 2 * kPage), Range(0x3000, kPage),
                                         Range(0x5000, 2 * kPage)};

bool IsRamByte(uint64_t at) {
  return std::ranges::any_of(
      kRanges, [at](const GuestRange& range) { return range.Contains(GuestAddress{at}); });
}

// By the definition, byte for byte; wrapping ranges hold bytes that are not RAM.
bool IsRam(uint64_t at, uint64_t len) {
  for (uint64_t offset = 0; offset < len; ++offset) {
    if (!IsRamByte(at + offset)) return false;
  }
  return true;
}

bool IsInOneRegion(uint64_t at, uint64_t len) {
  return std::ranges::any_of(kRanges, [&](const GuestRange& range) {
    const uint64_t start = ToInteger(range.start);
    return at >= start && at - start < range.size_bytes && len <= range.size_bytes - (at - start);
  });
}

class GuestMemoryTest : public testing::TestWithParam<MemoryBacking> {
 protected:
  const std::unique_ptr<GuestMemory> memory_ =
      GuestMemory::Create(kRanges, {.backing = GetParam()}).value();
};

INSTANTIATE_TEST_SUITE_P(Backings, GuestMemoryTest,
                         testing::Values(MemoryBacking::kAnonymous, MemoryBacking::kMemfd),
                         [](const auto& backing) {
                           return backing.param == MemoryBacking::kAnonymous ? "Anonymous"
                                                                             : "Memfd";
                         });

TEST_P(GuestMemoryTest, RegionsAreAsAskedForSortedAndZero) {
  const auto memory =
      GuestMemory::Create({kRanges[2], kRanges[0], kRanges[1]}, {.backing = GetParam()}).value();
  ASSERT_EQ(memory->regions().size(), 3u);
  for (size_t index = 0; index < 3; ++index) {
    EXPECT_EQ(memory->regions()[index].range, kRanges[index]);
  }
  EXPECT_EQ(memory->size_bytes(), 5 * kPage);
  EXPECT_EQ(memory->backing(), GetParam());
  EXPECT_EQ(memory->dirty_pages(), nullptr);
  EXPECT_EQ(memory->Read<uint64_t>(GuestAddress{0x6ff8}).value(), 0u);
}

// Each access that begins or ends at, one before or one after an end of a region, with each length
// that reaches over the next ones.
TEST_P(GuestMemoryTest, EveryRegionEndIsKeptToTheByte) {
  std::vector<uint64_t> ends = {0, UINT64_MAX};
  for (const GuestRange& range : kRanges) {
    ends.push_back(ToInteger(range.start));
    ends.push_back(ToInteger(range.end()));
  }
  const std::vector<uint64_t> lengths = {
      1, 2, kPage - 1, kPage, kPage + 1, 2 * kPage, 3 * kPage - 1, 3 * kPage, 3 * kPage + 1};
  std::vector<std::byte> buffer(4 * kPage);
  for (const uint64_t end : ends) {
    for (const uint64_t at : {end - 2, end - 1, end, end + 1}) {
      for (const uint64_t len : lengths) {
        SCOPED_TRACE(testing::Message() << std::hex << at << " + " << len);
        const GuestAddress address{at};
        const std::span<std::byte> bytes = std::span(buffer).first(len);
        EXPECT_EQ(memory_->ReadBytes(address, bytes).has_value(), IsRam(at, len));
        EXPECT_EQ(memory_->WriteBytes(address, bytes).has_value(), IsRam(at, len));
        EXPECT_EQ(memory_->HostSpan(address, len).has_value(), IsInOneRegion(at, len));
      }
    }
  }
}

TEST_P(GuestMemoryTest, LengthsThatPass2To64AreErrors) {
  EXPECT_FALSE(memory_->HostSpan(GuestAddress{0x1000}, UINT64_MAX).has_value());
  EXPECT_FALSE(memory_->HostSpan(GuestAddress{0x1000}, 0 - uint64_t{0x1000}).has_value());
  EXPECT_FALSE(memory_->HostSpan(GuestAddress{0x1001}, UINT64_MAX).has_value());
  EXPECT_FALSE(memory_->HostSpan(GuestAddress{UINT64_MAX}, UINT64_MAX).has_value());
  EXPECT_FALSE(memory_->Read<uint64_t>(GuestAddress{UINT64_MAX}).has_value());
  EXPECT_FALSE(memory_->Write<uint64_t>(GuestAddress{UINT64_MAX - 3}, 1).has_value());
}

TEST_P(GuestMemoryTest, AccessOfNoBytesSucceedsAnywhere) {
  for (const uint64_t at : {uint64_t{0}, uint64_t{0x1000}, uint64_t{0x4000}, UINT64_MAX}) {
    EXPECT_TRUE(memory_->ReadBytes(GuestAddress{at}, {}).has_value());
    EXPECT_TRUE(memory_->WriteBytes(GuestAddress{at}, {}).has_value());
    EXPECT_TRUE(memory_->HostSpan(GuestAddress{at}, 0).value().empty());
  }
}

TEST_P(GuestMemoryTest, CopiesCrossAdjacentRegionsInOrder) {
  const uint64_t value = 0x0807060504030201;
  ASSERT_TRUE(memory_->Write(GuestAddress{0x2ffd}, value).has_value());
  EXPECT_EQ(memory_->Read<uint64_t>(GuestAddress{0x2ffd}).value(), value);
  EXPECT_EQ(memory_->HostSpan(GuestAddress{0x2fff}, 1).value()[0], std::byte{3});
  EXPECT_EQ(memory_->HostSpan(GuestAddress{0x3000}, 1).value()[0], std::byte{4});
}

TEST_P(GuestMemoryTest, RefusedAccessCopiesNothingAndNamesItsRange) {
  std::array<std::byte, 16> bytes;
  bytes.fill(std::byte{0xaa});
  const Status written = memory_->WriteBytes(GuestAddress{0x3ff8}, bytes);
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().message(), "guest range 0x3ff8 of 16 bytes is not in RAM");
  EXPECT_EQ(memory_->Read<uint64_t>(GuestAddress{0x3ff8}).value(), 0u);

  ASSERT_FALSE(memory_->ReadBytes(GuestAddress{0x3ff8}, bytes).has_value());
  EXPECT_EQ(bytes[0], std::byte{0xaa});
}

TEST_P(GuestMemoryTest, HostSpanOverTwoRegionsNamesTheOneItLeaves) {
  EXPECT_EQ(memory_->HostSpan(GuestAddress{0x2fff}, 2).error().message(),
            "guest range 0x2fff of 2 bytes is not within guest range 0x1000 of 8192 bytes of RAM");
}

TEST_P(GuestMemoryTest, HostSpanIsTheMemoryItself) {
  const std::span<std::byte> span = memory_->HostSpan(GuestAddress{0x5004}, 4).value();
  EXPECT_EQ(span.data(), memory_->regions()[2].host + 4);
  span[0] = std::byte{7};
  EXPECT_EQ(memory_->Read<uint32_t>(GuestAddress{0x5004}).value(), 7u);
}

TEST_P(GuestMemoryTest, RangesThatMakeNoMemoryAreNamed) {
  EXPECT_EQ(CreationError({}, GetParam()), "guest memory has no range");
  EXPECT_EQ(CreationError({Range(0x1000, 0)}, GetParam()),
            "guest range 0x1000 of 0 bytes is empty");
  EXPECT_EQ(CreationError({Range(0x1001, kPage)}, GetParam()),
            "guest range 0x1001 of 4096 bytes is not made of whole pages of 4096 bytes");
  EXPECT_EQ(CreationError({Range(0x1000, kPage - 1)}, GetParam()),
            "guest range 0x1000 of 4095 bytes is not made of whole pages of 4096 bytes");
  EXPECT_EQ(CreationError({Range(0x2000, kPage), Range(0x1000, 2 * kPage)}, GetParam()),
            "guest range 0x2000 of 4096 bytes overlaps guest range 0x1000 of 8192 bytes");
  EXPECT_EQ(CreationError({Range(0 - 2 * kPage, 3 * kPage)}, GetParam()),
            "guest range 0xffffffffffffe000 of 12288 bytes does not end below 2^64");
}

TEST_P(GuestMemoryTest, MoreMemoryThanTheHostCanMapIsAnError) {
  EXPECT_THAT(CreationError({Range(0, uint64_t{1} << 62)}, GetParam()), HasSubstr(" bytes: "));
  EXPECT_THAT(CreationError({Range(0, uint64_t{1} << 63)}, GetParam()), HasSubstr(" bytes: "));
}

TEST_P(GuestMemoryTest, LargeMemoryIsNotReservedOnTheHost) {
  // More than hosts have, and little enough to fit between the areas that ThreadSanitizer keeps.
  constexpr uint64_t kSize = uint64_t{1} << 38;
  const auto memory = GuestMemory::Create({Range(0, kSize)}, {.backing = GetParam()}).value();
  ASSERT_TRUE(memory->Write<uint64_t>(GuestAddress{kSize - 8}, 9).has_value());
  EXPECT_EQ(memory->Read<uint64_t>(GuestAddress{kSize - 8}).value(), 9u);
}

TEST(AnonymousMemoryTest, RegionsBeginWhereTheHostCanUseHugePages) {
  const auto memory = GuestMemory::Create(kRanges, {}).value();
  for (const GuestMemory::Region& region : memory->regions()) {
    EXPECT_EQ(std::bit_cast<uintptr_t>(region.host) % kHugePage, 0u);
    EXPECT_EQ(region.memfd, -1);
  }
}

TEST(MemfdMemoryTest, AllRegionsLieOneAfterTheOtherInOneFile) {
  const auto memory = GuestMemory::Create(kRanges, {.backing = MemoryBacking::kMemfd}).value();
  const auto regions = memory->regions();
  EXPECT_GE(regions[0].memfd, 0);
  EXPECT_EQ(regions[2].memfd, regions[0].memfd);
  EXPECT_EQ(regions[0].memfd_offset_bytes, 0u);
  EXPECT_EQ(regions[1].memfd_offset_bytes, 2 * kPage);
  EXPECT_EQ(regions[2].memfd_offset_bytes, 3 * kPage);
  ASSERT_TRUE(memory->Write<uint8_t>(GuestAddress{0x5001}, 0x5a).has_value());
  uint8_t value = 0;
  ASSERT_EQ(::pread(regions[2].memfd, &value, 1, 3 * kPage + 1), 1);
  EXPECT_EQ(value, 0x5a);
}

TEST(MemfdMemoryTest, WhoSharesTheFileCannotResizeIt) {
  const auto memory = GuestMemory::Create(kRanges, {.backing = MemoryBacking::kMemfd}).value();
  EXPECT_LT(::ftruncate(memory->regions()[0].memfd, 0), 0);
  EXPECT_LT(::ftruncate(memory->regions()[0].memfd, 100 * kPage), 0);
}

TEST(HugePageMemoryTest, SizesAndStartsAreWholeHugePages) {
  EXPECT_EQ(CreationError({Range(0, kHugePage + kPage)}, MemoryBacking::kHugetlbfs2M),
            "guest range 0x0 of 2101248 bytes is not made of whole pages of 2097152 bytes");
  EXPECT_EQ(CreationError({Range(kPage, kHugePage)}, MemoryBacking::kHugetlbfs2M),
            "guest range 0x1000 of 2097152 bytes is not made of whole pages of 2097152 bytes");
}

TEST(HugePageMemoryTest, HostWithoutEnoughHugePagesIsToldHowManyAndHasHowMany) {
  // 2^40 pages are 2 EiB: no host has them.
  EXPECT_THAT(CreationError({Range(0, uint64_t{1} << 61)}, MemoryBacking::kHugetlbfs2M),
              testing::ContainsRegex("^guest memory needs 1099511627776 huge pages of 2 MiB; the "
                                     "host has [0-9a-z]+ free of [0-9a-z]+, [0-9a-z]+ reserved: "));
}

TEST(HugePageMemoryTest, MemoryOfHugePagesWorksLikeAnyOther) {
  const auto memory = GuestMemory::Create({Range(0, kHugePage), Range(4 * kHugePage, kHugePage)},
                                          {.backing = MemoryBacking::kHugetlbfs2M});
  if (!memory) GTEST_SKIP() << memory.error().message();
  const std::unique_ptr<GuestMemory>& huge = *memory;
  ASSERT_TRUE(huge->Write<uint64_t>(GuestAddress{5 * kHugePage - 8}, 9).has_value());
  EXPECT_EQ(huge->Read<uint64_t>(GuestAddress{5 * kHugePage - 8}).value(), 9u);
  EXPECT_FALSE(huge->Read<uint8_t>(GuestAddress{kHugePage}).has_value());
  EXPECT_EQ(huge->regions()[1].memfd_offset_bytes, kHugePage);
}

class DirtyGuestMemoryTest : public testing::Test {
 protected:
  std::vector<uint64_t> Take(size_t region) { return memory_->dirty_pages()->Take(region); }
  const std::unique_ptr<GuestMemory> memory_ =
      GuestMemory::Create(kRanges, {.track_dirty_pages = true}).value();
};

TEST_F(DirtyGuestMemoryTest, WritesMarkThePagesTheyTouchInEachRegion) {
  const std::array<std::byte, 2> bytes{};
  ASSERT_TRUE(memory_->WriteBytes(GuestAddress{0x2fff}, bytes).has_value());
  EXPECT_EQ(Take(0), std::vector<uint64_t>{0b10});
  EXPECT_EQ(Take(1), std::vector<uint64_t>{0b1});
  EXPECT_EQ(Take(2), std::vector<uint64_t>{0});
}

TEST_F(DirtyGuestMemoryTest, ReadsAndRefusedWritesMarkNothing) {
  ASSERT_TRUE(memory_->Read<uint64_t>(GuestAddress{0x1000}).has_value());
  ASSERT_FALSE(memory_->Write<uint64_t>(GuestAddress{0x3ffc}, 1).has_value());
  ASSERT_TRUE(memory_->HostSpan(GuestAddress{0x1000}, 8).has_value());
  for (size_t region = 0; region < 3; ++region) {
    EXPECT_EQ(Take(region), std::vector<uint64_t>{0});
  }
}

TEST_F(DirtyGuestMemoryTest, DevicesMarkWhatTheyWroteThroughSpans) {
  memory_->MarkDirty(GuestAddress{0x6000}, 1);
  EXPECT_EQ(Take(2), std::vector<uint64_t>{0b10});
}

class MapFileTest : public testing::Test {
 protected:
  Status Map(uint64_t at, uint64_t offset, uint64_t len) const {
    return memory_->MapFilePrivately(GuestAddress{at}, file_, offset, len);
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.Write(
      "file", std::string(kPage, 'a') + std::string(kPage, 'b') + std::string(100, 'c'));
  const Fd file_ = OpenFile(path_, Access::kReadOnly).value();
  const std::unique_ptr<GuestMemory> memory_ =
      GuestMemory::Create(kRanges, {.track_dirty_pages = true}).value();
};

TEST_F(MapFileTest, PieceOfTheFileAppearsWhereItWasPut) {
  ASSERT_TRUE(Map(0x2000, kPage, kPage).has_value());
  EXPECT_EQ(memory_->Read<uint8_t>(GuestAddress{0x1fff}).value(), 0);
  EXPECT_EQ(memory_->Read<uint8_t>(GuestAddress{0x2000}).value(), 'b');
  EXPECT_EQ(memory_->Read<uint8_t>(GuestAddress{0x2fff}).value(), 'b');
  EXPECT_EQ(memory_->Read<uint8_t>(GuestAddress{0x3000}).value(), 0);
}

TEST_F(MapFileTest, GuestsWritesStayItsOwn) {
  ASSERT_TRUE(Map(0x1000, 0, kPage).has_value());
  ASSERT_TRUE(memory_->Write<uint8_t>(GuestAddress{0x1000}, 'z').has_value());
  EXPECT_EQ(memory_->Read<uint8_t>(GuestAddress{0x1000}).value(), 'z');
  EXPECT_EQ(TemporaryDirectory::Read(path_)[0], 'a');
}

TEST_F(MapFileTest, MappedPagesCountAsWritten) {
  ASSERT_TRUE(Map(0x6000, 0, kPage).has_value());
  EXPECT_EQ(memory_->dirty_pages()->Take(2), std::vector<uint64_t>{0b10});
}

TEST_F(MapFileTest, WhatIsNotWholePagesIsRefused) {
  EXPECT_FALSE(Map(0x1001, 0, kPage).has_value());
  EXPECT_FALSE(Map(0x1000, 1, kPage).has_value());
  EXPECT_FALSE(Map(0x1000, 0, kPage - 1).has_value());
  EXPECT_FALSE(Map(0x1000, 0, 0).has_value());
}

TEST_F(MapFileTest, RangeLeavingItsRegionIsRefused) {
  EXPECT_FALSE(Map(0x2000, 0, 2 * kPage).has_value());  // the next region is adjacent
  EXPECT_FALSE(Map(0x4000, 0, kPage).has_value());
  EXPECT_FALSE(Map(0 - kPage, 0, 2 * kPage).has_value());
}

TEST_F(MapFileTest, FileMustHoldAllThatIsMapped) {
  EXPECT_EQ(Map(0x1000, kPage, 2 * kPage).error().message(),
            "the file ends at 8292 bytes, before offset 4096 plus 8192");
  EXPECT_FALSE(Map(0x1000, 0 - kPage, 2 * kPage).has_value());
  EXPECT_EQ(memory_->Read<uint8_t>(GuestAddress{0x1000}).value(), 0);
}

TEST_F(MapFileTest, SharedBackingIsRefused) {
  const auto memory = GuestMemory::Create(kRanges, {.backing = MemoryBacking::kMemfd}).value();
  EXPECT_EQ(memory->MapFilePrivately(GuestAddress{0x1000}, file_, 0, kPage).error().message(),
            "a file can be mapped only over anonymous guest memory");
}

TEST_F(MapFileTest, TransparentHugePagesAreAskedForAndNotMappedOver) {
  const auto memory = GuestMemory::Create({{GuestAddress{0}, 4 << 20}},
                                          {.backing = MemoryBacking::kTransparentHuge})
                          .value();
  EXPECT_FALSE(memory->MapFilePrivately(GuestAddress{0x1000}, file_, 0, kPage));
  // "hg" among the mapping's flags: the host was asked, whether it has them or not.
  std::ifstream smaps("/proc/self/smaps");
  const std::string text{std::istreambuf_iterator<char>(smaps), {}};
  std::ostringstream start;
  start << std::hex << reinterpret_cast<uintptr_t>(memory->regions().front().host) << '-';
  const size_t mapping = text.find(start.str());
  ASSERT_NE(mapping, std::string::npos);
  const size_t flags = text.find("VmFlags:", mapping);
  EXPECT_NE(text.substr(flags, text.find('\n', flags) - flags).find(" hg"), std::string::npos);
}

}  // namespace
}  // namespace ember
