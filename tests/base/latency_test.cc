#include "base/latency.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

TEST(LatencyAggregateTest, IsZeroBeforeTheFirst) {
  const LatencyAggregate aggregate;
  EXPECT_EQ(aggregate.min_us(), 0U);
  EXPECT_EQ(aggregate.max_us(), 0U);
  EXPECT_EQ(aggregate.sum_us(), 0U);
}

TEST(LatencyAggregateTest, KeepsShortestLongestAndSum) {
  LatencyAggregate aggregate;
  aggregate.Add(microseconds{30});
  aggregate.Add(microseconds{10});
  aggregate.Add(microseconds{20});
  EXPECT_EQ(aggregate.min_us(), 10U);
  EXPECT_EQ(aggregate.max_us(), 30U);
  EXPECT_EQ(aggregate.sum_us(), 60U);
}

TEST(LatencyAggregateTest, AddsUpPartsOfMicroseconds) {
  LatencyAggregate aggregate;
  for (int i = 0; i < 4; ++i) aggregate.Add(nanoseconds{250});
  EXPECT_EQ(aggregate.sum_us(), 1U);
  EXPECT_EQ(aggregate.max_us(), 0U);
}

}  // namespace
}  // namespace ember
