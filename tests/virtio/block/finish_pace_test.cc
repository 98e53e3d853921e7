#include "virtio/block/finish_pace.h"

#include <gtest/gtest.h>

#include <chrono>

namespace ember::virtio {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::nanoseconds;

// A host that has `in_flight` calls all the time and takes `each` for one.
FinishPace Steady(size_t in_flight, nanoseconds each) {
  FinishPace pace;
  nanoseconds now{1};
  pace.Note(now, 0, in_flight);
  for (int i = 0; i < 50; ++i) {
    now += 4 * each;
    pace.Note(now, 4, in_flight);
  }
  return pace;
}

TEST(FinishPaceTest, HoldsNothingUpBeforeItKnowsTheHost) {
  FinishPace pace;
  EXPECT_EQ(pace.delay(), nanoseconds{0});
  pace.Note(hours{1}, 0, 100);
  EXPECT_EQ(pace.delay(), nanoseconds{0});
}

TEST(FinishPaceTest, IsTheTimeForAQuarterOfWhatIsInFlight) {
  EXPECT_EQ(Steady(32, microseconds{20}).delay(), microseconds{160});
  EXPECT_EQ(Steady(16, microseconds{20}).delay(), microseconds{80});
}

TEST(FinishPaceTest, HoldsNothingUpOfAFastHost) {
  EXPECT_EQ(Steady(32, microseconds{6}).delay(), nanoseconds{0});
  EXPECT_NE(Steady(32, microseconds{7}).delay(), nanoseconds{0});
}

TEST(FinishPaceTest, HoldsNothingUpOfAShallowQueue) {
  EXPECT_EQ(Steady(FinishPace::kLeastInFlight - 1, microseconds{100}).delay(), nanoseconds{0});
  EXPECT_NE(Steady(FinishPace::kLeastInFlight, microseconds{100}).delay(), nanoseconds{0});
}

TEST(FinishPaceTest, NeverHoldsUpForLongerThanItsMost) {
  EXPECT_EQ(Steady(128, microseconds{100}).delay(), FinishPace::kMostDelay);
  EXPECT_EQ(Steady(128, hours{1}).delay(), FinishPace::kMostDelay);
}

TEST(FinishPaceTest, FollowsAHostThatBecomesFaster) {
  FinishPace pace;
  nanoseconds now{1};
  pace.Note(now, 0, 32);
  pace.Note(now += microseconds{1000}, 1, 32);
  EXPECT_EQ(pace.delay(), FinishPace::kMostDelay);
  for (int i = 0; i < 50; ++i) pace.Note(now += microseconds{1}, 1, 32);
  EXPECT_EQ(pace.delay(), nanoseconds{0});
}

TEST(FinishPaceTest, CountsNoTimeInWhichTheHostHadNothing) {
  FinishPace pace;
  pace.Note(nanoseconds{1}, 0, 32);
  pace.Note(microseconds{32}, 32, 0);
  pace.Note(hours{1}, 0, 32);
  pace.Note(hours{1} + microseconds{32}, 32, 32);
  EXPECT_EQ(pace.delay(), nanoseconds{0});
}

TEST(FinishPaceTest, CountsTheTimeOfLooksThatFoundNothing) {
  FinishPace pace;
  pace.Note(nanoseconds{0}, 0, 32);
  pace.Note(microseconds{10}, 0, 32);
  pace.Note(microseconds{20}, 1, 32);
  EXPECT_EQ(pace.delay(), microseconds{160});
}

}  // namespace
}  // namespace ember::virtio
