#include "snapshot/fetch_pages.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "tests/base/temporary_directory.h"

namespace ember::snapshot {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kPage = DirtyPages::kPageBytes;
constexpr uint64_t kLowPages = 1024;
constexpr uint64_t kHighPages = 512;
constexpr GuestRange kLow{GuestAddress{0}, kLowPages* kPage};
constexpr GuestRange kHigh{GuestAddress{0x1'0000'0000}, kHighPages* kPage};

long Faults() {
  rusage usage{};
  EXPECT_EQ(::getrusage(RUSAGE_THREAD, &usage), 0);
  return usage.ru_minflt + usage.ru_majflt;
}

// What AddressSanitizer would look up takes faults of its own.
__attribute__((no_sanitize("address"))) uint32_t NumberAt(const std::byte* at) {
  return *reinterpret_cast<const volatile uint32_t*>(at);
}

class FetchPagesTest : public ::testing::Test {
 protected:
  // Whose pages hold their numbers in the file, and are in no cache.
  FetchPagesTest() {
    std::string content((kLowPages + kHighPages) * kPage, '\0');
    for (uint64_t page = 0; page < kLowPages + kHighPages; ++page) {
      const auto number = static_cast<uint32_t>(page + 1);
      content.replace(page * kPage, sizeof(number), reinterpret_cast<const char*>(&number),
                      sizeof(number));
    }
    path_ = directory_.Write("memory", content);
    file_ = *OpenFile(path_, Access::kReadWrite);
    EXPECT_EQ(::fsync(file_.get()), 0);
    EXPECT_EQ(::posix_fadvise(file_.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
  }
  std::unique_ptr<GuestMemory> Loaded(MemoryBacking backing = MemoryBacking::kAnonymous) {
    auto memory = *GuestMemory::Create({kLow, kHigh}, {.backing = backing});
    EXPECT_TRUE(LoadMemory(*memory, file_, path_));
    return memory;
  }
  static PageBits Bits(const std::set<uint64_t>& low, const std::set<uint64_t>& high) {
    PageBits bits = {std::vector<uint64_t>(kLowPages / 64), std::vector<uint64_t>(kHighPages / 64)};
    for (const uint64_t page : low) bits[0][page / 64] |= uint64_t{1} << page % 64;
    for (const uint64_t page : high) bits[1][page / 64] |= uint64_t{1} << page % 64;
    return bits;
  }
  // Looks at pages, and returns how many faults that took.
  static long Touch(const GuestMemory& memory, const std::set<uint64_t>& pages, size_t region) {
    const long before = Faults();
    uint64_t wrong = 0;
    for (const uint64_t page : pages) {
      const uint32_t number = NumberAt(memory.regions()[region].host + page * kPage);
      wrong += static_cast<uint64_t>(number != page + 1 + region * kLowPages);
    }
    const long faults = Faults() - before;
    EXPECT_EQ(wrong, 0U);
    return faults;
  }

  TemporaryDirectory directory_;
  std::string path_;
  Fd file_;
};

TEST_F(FetchPagesTest, WhatWasFetchedIsTouchedWithoutAFault) {
  const auto memory = Loaded();
  const std::set<uint64_t> low = {0, 1, 2, 100, 101, 500, 1023};
  const std::set<uint64_t> high = {0, 300, 511};
  const PageBits bits = Bits(low, high);
  const Result<uint64_t> fetched = FetchPages(*memory, bits, file_);
  ASSERT_TRUE(fetched) << fetched.error().message();
  EXPECT_EQ(*fetched, 10 * kPage);
  EXPECT_EQ(Touch(*memory, low, 0), 0);
  EXPECT_EQ(Touch(*memory, high, 1), 0);
}

TEST_F(FetchPagesTest, WhatWasNotListedIsThereWhenItIsTouched) {
  const auto memory = Loaded();
  ASSERT_TRUE(FetchPages(*memory, Bits({7}, {}), file_));
  EXPECT_GT(Touch(*memory, {600}, 0), 0);
  EXPECT_GT(Touch(*memory, {9}, 1), 0);
}

TEST_F(FetchPagesTest, AShortGapIsReadAlongAndALongOneIsNot) {
  const auto memory = Loaded();
  EXPECT_EQ(*FetchPages(*memory, Bits({10, 19}, {}), file_), 10 * kPage);
  EXPECT_EQ(*FetchPages(*memory, Bits({110, 120}, {}), file_), 2 * kPage);
  EXPECT_EQ(*FetchPages(*memory, Bits({1023}, {0}), file_), 2 * kPage) << "two mappings";
}

// Longer than what the kernel reads ahead for one request.
TEST_F(FetchPagesTest, ALongRangeIsFetchedWhole) {
  const auto memory = Loaded();
  std::set<uint64_t> all;
  for (uint64_t page = 0; page < kLowPages; ++page) all.insert(page);
  EXPECT_EQ(*FetchPages(*memory, Bits(all, {}), file_), kLowPages * kPage);
  EXPECT_EQ(Touch(*memory, all, 0), 0);
}

TEST_F(FetchPagesTest, OfNoPagesNothingIsFetched) {
  EXPECT_EQ(*FetchPages(*Loaded(), Bits({}, {}), file_), 0U);
}

TEST_F(FetchPagesTest, OfMemoryThatWasReadNothingIsLeftToDo) {
  const auto memory = Loaded(MemoryBacking::kTransparentHuge);
  EXPECT_EQ(*FetchPages(*memory, Bits({5}, {5}), file_), 0U);
  EXPECT_EQ(Touch(*memory, {5}, 0), 0);
}

TEST_F(FetchPagesTest, WhatTheGuestWritesStaysItsOwn) {
  const auto memory = Loaded();
  ASSERT_TRUE(FetchPages(*memory, Bits({5}, {}), file_));
  ASSERT_TRUE(memory->Write<uint32_t>(GuestAddress{5 * kPage}, 77));
  EXPECT_EQ(*Loaded()->Read<uint32_t>(GuestAddress{5 * kPage}), 6U);
}

TEST_F(FetchPagesTest, AFileThatIsShorterByThenIsNamedAsTheFault) {
  const auto memory = Loaded();
  std::filesystem::resize_file(path_, 100 * kPage);
  const Result<uint64_t> fetched = FetchPages(*memory, Bits({200}, {}), file_);
  ASSERT_FALSE(fetched);
  EXPECT_THAT(fetched.error().message(), HasSubstr("reading 4096 bytes at 819200"));
}

}  // namespace
}  // namespace ember::snapshot
