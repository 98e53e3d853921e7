#include "base/event_set.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <utility>

#include "base/timer.h"

namespace ember {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;

bool IsReadable(const Fd& fd, int wait_ms = 0) {
  pollfd poll{.fd = fd.get(), .events = POLLIN, .revents = 0};
  return ::poll(&poll, 1, wait_ms) == 1;
}

class EventSetTest : public ::testing::Test {
 protected:
  std::span<const EventSet::Event> Poll() { return set.Poll(room); }

  EventSet set = EventSet::Create().value();
  std::array<EventSet::Event, 4> room;
  Fd event = CreateEventFd().value();
};

TEST_F(EventSetTest, IsReadableWhileOneOfItsDescriptorsIsReady) {
  ASSERT_TRUE(set.Add(event.get(), EventSet::Interest::kReadable, 7));
  EXPECT_FALSE(IsReadable(set.fd()));
  EXPECT_TRUE(Poll().empty());
  const uint64_t one = 1;
  ASSERT_EQ(::write(event.get(), &one, sizeof(one)), 8);
  EXPECT_TRUE(IsReadable(set.fd()));
  const auto events = Poll();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].token, 7U);
  EXPECT_TRUE(events[0].readable);
  EXPECT_FALSE(events[0].writable);
  EXPECT_EQ(Poll().size(), 1U) << "level-triggered";
}

TEST_F(EventSetTest, TellsOnlyOfWhatItIsToWaitFor) {
  ASSERT_TRUE(set.Add(event.get(), EventSet::Interest::kWritable, 1));
  ASSERT_EQ(Poll().size(), 1U);
  EXPECT_TRUE(Poll()[0].writable);
  ASSERT_TRUE(set.Change(event.get(), EventSet::Interest::kNone, 1));
  EXPECT_TRUE(Poll().empty());
  ASSERT_TRUE(set.Change(event.get(), EventSet::Interest::kBoth, 2));
  EXPECT_EQ(Poll()[0].token, 2U);
  set.Remove(event.get());
  EXPECT_TRUE(Poll().empty());
  set.Remove(event.get());
}

TEST_F(EventSetTest, RefusesADescriptorTwice) {
  ASSERT_TRUE(set.Add(event.get(), EventSet::Interest::kReadable, 1));
  EXPECT_FALSE(set.Add(event.get(), EventSet::Interest::kReadable, 2));
}

TEST_F(EventSetTest, TellsWhenTheOtherEndHangsUp) {
  std::array<int, 2> pair{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()), 0);
  const Fd here(pair[0]);
  Fd there(pair[1]);
  ASSERT_TRUE(set.Add(here.get(), EventSet::Interest::kReadable, 1));
  EXPECT_TRUE(Poll().empty());
  there.Reset();
  ASSERT_EQ(Poll().size(), 1U);
  EXPECT_TRUE(Poll()[0].hung_up);
}

TEST_F(EventSetTest, TellsNoMoreThanThereIsRoomFor) {
  std::array<Fd, 6> many;
  for (Fd& fd : many) {
    fd = CreateEventFd().value();
    ASSERT_TRUE(set.Add(fd.get(), EventSet::Interest::kWritable, 0));
  }
  EXPECT_EQ(Poll().size(), room.size());
  EXPECT_TRUE(set.Poll({}).empty());
}

TEST(TimerTest, IsReadableOnceItsTimeHasComeUntilItIsDisarmed) {
  Timer timer = Timer::Create().value();
  EXPECT_FALSE(IsReadable(timer.fd()));
  timer.Arm(microseconds(1));
  EXPECT_TRUE(IsReadable(timer.fd(), -1));
  timer.Disarm();
  EXPECT_FALSE(IsReadable(timer.fd()));
}

TEST(TimerTest, ArmingReplacesTheTimeBefore) {
  Timer timer = Timer::Create().value();
  timer.Arm(hours(1));
  timer.Arm(microseconds(0));
  EXPECT_TRUE(IsReadable(timer.fd(), -1));
  timer.Arm(hours(1));
  EXPECT_FALSE(IsReadable(timer.fd()));
}

}  // namespace
}  // namespace ember
