#include "memory/dirty_pages.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <vector>

#include "base/thread.h"

namespace ember {
namespace {

constexpr uint64_t kPage = DirtyPages::kPageBytes;

GuestRange Range(uint64_t start, uint64_t size_bytes) {
  return {.start = GuestAddress{start}, .size_bytes = size_bytes};
}

TEST(DirtyPagesTest, RangeMarksEveryPageItTouches) {
  DirtyPages dirty({Range(0, 128 * kPage)});
  dirty.Mark(GuestAddress{kPage - 1}, 2);
  dirty.Mark(GuestAddress{63 * kPage}, kPage + 1);
  dirty.Mark(GuestAddress{127 * kPage}, kPage);
  EXPECT_EQ(dirty.Take(0),
            (std::vector<uint64_t>{(uint64_t{1} << 63) | 0b11, (uint64_t{1} << 63) | 0b1}));
}

TEST(DirtyPagesTest, TakingClears) {
  DirtyPages dirty({Range(0, kPage)});
  dirty.Mark(GuestAddress{0}, 1);
  EXPECT_EQ(dirty.Take(0), std::vector<uint64_t>{1});
  EXPECT_EQ(dirty.Take(0), std::vector<uint64_t>{0});
}

TEST(DirtyPagesTest, NothingMarksNothing) {
  DirtyPages dirty({Range(0, kPage)});
  dirty.Mark(GuestAddress{0}, 0);
  EXPECT_EQ(dirty.Take(0), std::vector<uint64_t>{0});
}

TEST(DirtyPagesTest, BitmapHasABitForEachPageOfItsRegion) {
  DirtyPages dirty({Range(0, 64 * kPage), Range(100 * kPage, 65 * kPage)});
  EXPECT_EQ(dirty.Take(0).size(), 1u);
  EXPECT_EQ(dirty.Take(1).size(), 2u);
}

TEST(DirtyPagesTest, RangePassing2To64StopsThere) {
  const uint64_t start = 0 - 4 * kPage;
  DirtyPages dirty({Range(0, kPage), Range(start, 3 * kPage)});
  dirty.Mark(GuestAddress{start + kPage}, UINT64_MAX);
  EXPECT_EQ(dirty.Take(0), std::vector<uint64_t>{0});
  EXPECT_EQ(dirty.Take(1), std::vector<uint64_t>{0b110});
}

TEST(DirtyPagesTest, AgreesWithAPageByPageModel) {
  const std::vector<GuestRange> ranges = {Range(2 * kPage, 70 * kPage), Range(72 * kPage, kPage),
                                          Range(80 * kPage, 130 * kPage)};
  DirtyPages dirty(ranges);
  std::mt19937_64 random(1);
  for (int round = 0; round < 500; ++round) {
    const uint64_t at = random() % (220 * kPage);
    const uint64_t len = random() % (random() % 2 == 0 ? 3 : 100 * kPage);
    dirty.Mark(GuestAddress{at}, len);
    for (size_t region = 0; region < ranges.size(); ++region) {
      std::vector<uint64_t> expected((ranges[region].size_bytes / kPage + 63) / 64);
      for (uint64_t page = 0; page < ranges[region].size_bytes / kPage; ++page) {
        const uint64_t start = ToInteger(ranges[region].start) + page * kPage;
        const bool touched = len > 0 && at < start + kPage && start < at + len;
        if (touched) expected[page / 64] |= uint64_t{1} << (page % 64);
      }
      ASSERT_EQ(dirty.Take(region), expected) << std::hex << at << " + " << len;
    }
  }
}

TEST(DirtyPagesTest, MarksOfManyThreadsAreAllKept) {
  constexpr uint64_t kThreads = 4;
  DirtyPages dirty({Range(0, 64 * kPage)});
  std::vector<Thread> threads;
  for (uint64_t thread = 0; thread < kThreads; ++thread) {
    threads.push_back(Thread::Start("marker", [&, thread] {
                        for (uint64_t page = thread; page < 64; page += kThreads) {
                          dirty.Mark(GuestAddress{page * kPage}, 1);
                        }
                      }).value());
  }
  threads.clear();
  EXPECT_EQ(dirty.Take(0), std::vector<uint64_t>{UINT64_MAX});
}

}  // namespace
}  // namespace ember
