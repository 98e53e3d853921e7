#include "virtio/balloon/page_runs.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

namespace ember::virtio {
namespace {

std::vector<GuestRange> Runs(std::vector<uint32_t> frames) {
  std::vector<GuestRange> result;
  PageRuns runs(frames);
  while (const auto run = runs.Next()) result.push_back(*run);
  return result;
}

GuestRange Pages(uint64_t first, uint64_t count) {
  return {.start = GuestAddress{first * 4096}, .size_bytes = count * 4096};
}

TEST(PageRunsTest, HaveNothingOfNothing) { EXPECT_TRUE(Runs({}).empty()); }

TEST(PageRunsTest, JoinNeighboursInAnyOrder) {
  EXPECT_EQ(Runs({7, 5, 6}), std::vector<GuestRange>{Pages(5, 3)});
  EXPECT_EQ(Runs({1, 3, 5}), (std::vector<GuestRange>{Pages(1, 1), Pages(3, 1), Pages(5, 1)}));
}

TEST(PageRunsTest, TakeAPageOnceHoweverOftenItIsNamed) {
  EXPECT_EQ(Runs({4, 4, 5, 4, 5}), std::vector<GuestRange>{Pages(4, 2)});
}

TEST(PageRunsTest, ReachTheLargestNumbersWithoutWrapping) {
  EXPECT_EQ(Runs({UINT32_MAX, UINT32_MAX - 1, 0}),
            (std::vector<GuestRange>{Pages(0, 1), Pages(UINT32_MAX - 1, 2)}));
}

// Against a set of pages, over random numbers.
TEST(PageRunsTest, HoldThePagesThatWereNamedAndNoOther) {
  std::minstd_rand random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<uint32_t> frames(random() % 300);
    for (uint32_t& frame : frames) frame = static_cast<uint32_t>(random() % 400);
    const std::set<uint64_t> named(frames.begin(), frames.end());
    std::set<uint64_t> held;
    uint64_t last_end = 0;
    for (const GuestRange& run : Runs(frames)) {
      const uint64_t start = ToInteger(run.start) / 4096;
      EXPECT_TRUE(held.empty() || start > last_end) << "two runs that touch";
      last_end = start + run.size_bytes / 4096;
      for (uint64_t page = start; page < last_end; ++page) held.insert(page);
    }
    EXPECT_EQ(held, named);
  }
}

}  // namespace
}  // namespace ember::virtio
