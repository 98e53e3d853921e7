#include "base/event_loop.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <vector>

#include "base/fd.h"
#include "base/thread.h"
#include "tests/base/temporary_directory.h"

namespace ember {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::nanoseconds;
using testing::ElementsAre;

void Signal(const Fd& event) {
  const uint64_t one = 1;
  ASSERT_EQ(::write(event.get(), &one, sizeof(one)), 8);
}

uint64_t TakeCount(const Fd& event) {
  uint64_t count = 0;
  return ::read(event.get(), &count, sizeof(count)) == 8 ? count : 0;
}

class EventLoopTest : public testing::Test {
 protected:
  // Runs what is ready now, to the end.
  void RunWhatIsReady() {
    // A timer of no length fires after one look at the descriptors.
    EventLoop::Watch end = loop_->CallAfter(nanoseconds{0}, [this] { Finish(2); }).value();
    loop_->Run();
  }

  const std::unique_ptr<EventLoop> loop_ = EventLoop::Create().value();
  const Fd event_ = CreateEventFd().value();

 private:
  // A few more rounds of the loop, then the end.
  void Finish(int rounds) {
    if (rounds == 0) return loop_->Stop();
    loop_->Post([this, rounds] { Finish(rounds - 1); });
  }
};

TEST_F(EventLoopTest, TasksRunInTheOrderOfPosting) {
  std::vector<int> order;
  for (int task = 0; task < 3; ++task) {
    loop_->Post([&, task] {
      order.push_back(task);
      // From within too: after those that are there.
      loop_->Post([&, task] { order.push_back(10 + task); });
    });
  }
  RunWhatIsReady();
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 10, 11, 12));
}

TEST_F(EventLoopTest, PostsFromManyThreadsAllRunEachThreadsInOrder) {
  constexpr size_t kThreads = 4;
  constexpr int kPosts = 500;
  std::array<std::vector<int>, kThreads> seen;
  int left = kThreads * kPosts;
  std::vector<Thread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads.push_back(Thread::Start("poster", [&, thread] {
                        for (int post = 0; post < kPosts; ++post) {
                          loop_->Post([&, thread, post] {
                            seen[thread].push_back(post);
                            if (--left == 0) loop_->Stop();
                          });
                        }
                      }).value());
  }
  loop_->Run();
  for (const std::vector<int>& posts : seen) {
    ASSERT_EQ(posts.size(), size_t{kPosts});
    EXPECT_TRUE(std::ranges::is_sorted(posts));
  }
}

TEST_F(EventLoopTest, StopFromAnotherThreadEndsRun) {
  const Thread stopper = Thread::Start("stopper", [&] { loop_->Stop(); }).value();
  loop_->Run();
}

TEST_F(EventLoopTest, RunsAgainAfterItWasStopped) {
  int runs = 0;
  for (int i = 0; i < 3; ++i) {
    loop_->Post([&] {
      ++runs;
      loop_->Stop();
    });
    loop_->Run();
    EXPECT_EQ(runs, i + 1);
  }
}

TEST_F(EventLoopTest, StopLeavesLaterTasksUnrun) {
  bool ran = false;
  loop_->Post([&] { loop_->Stop(); });
  loop_->Post([&] { ran = true; });
  loop_->Run();
  EXPECT_FALSE(ran);
}

TEST_F(EventLoopTest, TasksLeftAtTheEndAreDestroyedUnrun) {
  const auto token = std::make_shared<int>(0);
  {
    const std::unique_ptr<EventLoop> loop = EventLoop::Create().value();
    loop->Stop();
    loop->Run();
    loop->Post([token] { ADD_FAILURE() << "must not run"; });
    EXPECT_EQ(token.use_count(), 2);
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST_F(EventLoopTest, ReadableDescriptorIsReportedAgainUntilReadEmpty) {
  int calls = 0;
  EventLoop::Watch watch = loop_
                               ->WatchReadable(event_.get(),
                                               [&] {
                                                 if (++calls < 3) return;  // left readable twice
                                                 EXPECT_EQ(TakeCount(event_), 1u);
                                                 loop_->Stop();
                                               })
                               .value();
  Signal(event_);
  loop_->Run();
  EXPECT_EQ(calls, 3);
}

TEST_F(EventLoopTest, EachArrivalIsReported) {
  int calls = 0;
  EventLoop::Watch watch = loop_
                               ->WatchReadable(event_.get(),
                                               [&] {
                                                 EXPECT_EQ(TakeCount(event_), 1u);
                                                 if (++calls == 100) return loop_->Stop();
                                                 Signal(event_);
                                               })
                               .value();
  Signal(event_);
  loop_->Run();
  EXPECT_EQ(calls, 100);
}

TEST_F(EventLoopTest, ArrivalsAreReportedThoughNobodyReadsThem) {
  int calls = 0;
  EventLoop::Watch watch = loop_
                               ->WatchArrivals(event_.get(),
                                               [&] {
                                                 if (++calls == 3) return;
                                                 Signal(event_);
                                               })
                               .value();
  Signal(event_);
  RunWhatIsReady();
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(TakeCount(event_), 3u);
}

TEST_F(EventLoopTest, ArrivalBeforeItIsWatchedIsReported) {
  Signal(event_);
  EventLoop::Watch watch = loop_->WatchArrivals(event_.get(), [&] { loop_->Stop(); }).value();
  loop_->Run();
}

TEST_F(EventLoopTest, WaiterIsAskedBetweenCallbacksAndMayHaveWorkOfItsOwn) {
  int calls = 0;
  int waits = 0;
  EventLoop::Watch watch = loop_
                               ->WatchReadable(event_.get(),
                                               [&] {
                                                 EXPECT_EQ(TakeCount(event_), 1u);
                                                 if (++calls == 2) loop_->Stop();
                                               })
                               .value();
  loop_->Run([&](int fd) {
    EXPECT_GE(fd, 0);
    if (++waits % 2 == 1) return EventLoop::Woken::kByItsOwn;
    Signal(event_);
    return EventLoop::Woken::kByDescriptor;
  });
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(waits, 4);
}

TEST_F(EventLoopTest, PlaceOfAnEndedWatchIsTakenAgainByOneThatHearsOnlyItsOwn) {
  const Fd other_event = CreateEventFd().value();
  Signal(event_);
  std::optional<EventLoop::Watch> ended =
      loop_->WatchReadable(event_.get(), [] { ADD_FAILURE() << "ended"; }).value();
  ended.reset();
  EventLoop::Watch watch =
      loop_->WatchReadable(other_event.get(), [] { ADD_FAILURE() << "another's event"; }).value();
  RunWhatIsReady();
}

TEST_F(EventLoopTest, QuietDescriptorIsNotReported) {
  EventLoop::Watch watch =
      loop_->WatchReadable(event_.get(), [] { ADD_FAILURE() << "not readable"; }).value();
  RunWhatIsReady();
}

TEST_F(EventLoopTest, OneDescriptorCanBeWatchedForBothDirections) {
  bool readable = false;
  bool writable = false;
  const auto stop_when_both = [&] {
    if (readable && writable) loop_->Stop();
  };
  Signal(event_);
  EventLoop::Watch reading = loop_
                                 ->WatchReadable(event_.get(),
                                                 [&] {
                                                   readable = true;
                                                   stop_when_both();
                                                 })
                                 .value();
  EventLoop::Watch writing = loop_
                                 ->WatchWritable(event_.get(),
                                                 [&] {
                                                   writable = true;
                                                   stop_when_both();
                                                 })
                                 .value();
  loop_->Run();
  EXPECT_TRUE(readable && writable);
}

TEST_F(EventLoopTest, AWatchTellsWhatItIsForAndThatTheOtherEndHasGone) {
  using Interest = EventLoop::Interest;
  constexpr std::array kAll = {Interest::kHangUp, Interest::kReadable, Interest::kWritable,
                               Interest::kBoth};
  std::array<int, 2> here{};
  std::array<int, 2> gone{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, here.data()), 0);
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, gone.data()), 0);
  const Fd connected(here[0]);
  const Fd peer(here[1]);
  const Fd abandoned(gone[0]);
  Fd(gone[1]).Reset();
  std::array<bool, kAll.size()> told{};
  std::array<bool, kAll.size()> told_of_the_end{};
  std::vector<EventLoop::Watch> watches;
  for (size_t i = 0; i < kAll.size(); ++i) {
    watches.push_back(
        loop_->WatchFor(connected.get(), kAll[i], [&told, i] { told[i] = true; }).value());
    watches.push_back(loop_
                          ->WatchFor(abandoned.get(), kAll[i],
                                     [&told_of_the_end, i] { told_of_the_end[i] = true; })
                          .value());
  }
  RunWhatIsReady();
  EXPECT_THAT(told, ElementsAre(false, false, true, true));
  EXPECT_THAT(told_of_the_end, ElementsAre(true, true, true, true));
}

TEST_F(EventLoopTest, CallbackMayDestroyItsOwnWatch) {
  int calls = 0;
  std::optional<EventLoop::Watch> watch;
  const auto token = std::make_shared<int>(0);
  watch = loop_
              ->WatchReadable(event_.get(),
                              [&, token] {
                                ++calls;
                                watch.reset();
                                EXPECT_EQ(*token, 0);  // its captures still live
                              })
              .value();
  Signal(event_);
  RunWhatIsReady();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_EQ(TakeCount(event_), 1u);
}

TEST_F(EventLoopTest, CallbackMayReplaceItsOwnWatch) {
  std::optional<EventLoop::Watch> watch;
  watch =
      loop_
          ->WatchReadable(
              event_.get(),
              [&] { watch = loop_->WatchReadable(event_.get(), [&] { loop_->Stop(); }).value(); })
          .value();
  Signal(event_);
  loop_->Run();
}

TEST_F(EventLoopTest, CallbackMayDestroyAnotherWatchThatIsReadyToo) {
  const Fd other_event = CreateEventFd().value();
  std::optional<EventLoop::Watch> first;
  std::optional<EventLoop::Watch> second;
  int calls = 0;
  first = loop_
              ->WatchReadable(event_.get(),
                              [&] {
                                ++calls;
                                first.reset();
                                second.reset();
                              })
              .value();
  second = loop_
               ->WatchReadable(other_event.get(),
                               [&] {
                                 ++calls;
                                 first.reset();
                                 second.reset();
                               })
               .value();
  Signal(event_);
  Signal(other_event);
  RunWhatIsReady();
  EXPECT_EQ(calls, 1);
}

TEST_F(EventLoopTest, DestroyedWatchFreesItsCapturesAndLeavesTheDescriptorOpen) {
  const auto token = std::make_shared<int>(0);
  {
    const EventLoop::Watch watch = loop_->WatchReadable(event_.get(), [token] {}).value();
  }
  EXPECT_EQ(token.use_count(), 1);
  Signal(event_);
  EXPECT_EQ(TakeCount(event_), 1u);
}

TEST_F(EventLoopTest, MovedWatchGoesOn) {
  EventLoop::Watch first = loop_->WatchReadable(event_.get(), [&] { loop_->Stop(); }).value();
  const EventLoop::Watch second = std::move(first);
  Signal(event_);
  loop_->Run();
}

TEST_F(EventLoopTest, WatchThatIsAssignedOverEnds) {
  EventLoop::Watch watch =
      loop_->WatchReadable(event_.get(), [] { ADD_FAILURE() << "replaced"; }).value();
  watch = loop_->CallAfter(hours{1}, [] {}).value();
  Signal(event_);
  RunWhatIsReady();
}

TEST_F(EventLoopTest, WatchingDoesNotChangeTheDescriptorsBlockingMode) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Fd reader(ends[0]);
  const Fd writer(ends[1]);
  EventLoop::Watch watch = loop_->WatchReadable(reader.get(), [] {}).value();
  RunWhatIsReady();
  EXPECT_EQ(::fcntl(reader.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(EventLoopTest, ClosedPeerIsReportedAsReadable) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  EventLoop::Watch watch = loop_->WatchReadable(reader.get(), [&] { loop_->Stop(); }).value();
  writer.Reset();
  loop_->Run();
}

TEST_F(EventLoopTest, WhatCannotBePolledIsAnError) {
  const TemporaryDirectory directory;
  const Fd file = OpenFile(directory.Write("file", "x"), Access::kReadOnly).value();
  EXPECT_EQ(loop_->WatchReadable(file.get(), [] {}).error().error_number(), EPERM);
  const Fd null = OpenFile("/dev/null", Access::kReadOnly).value();
  EXPECT_EQ(loop_->WatchReadable(null.get(), [] {}).error().error_number(), EPERM);
  EXPECT_EQ(loop_->WatchReadable(-1, [] {}).error().error_number(), EBADF);
}

TEST_F(EventLoopTest, TimersFireInTheOrderOfTheirTimesAndNotBefore) {
  std::vector<int> order;
  const auto start = std::chrono::steady_clock::now();
  EventLoop::Watch late =
      loop_
          ->CallAfter(microseconds{2000},
                      [&] {
                        order.push_back(2);
                        EXPECT_GE(std::chrono::steady_clock::now() - start, microseconds{2000});
                        loop_->Stop();
                      })
          .value();
  EventLoop::Watch early = loop_->CallAfter(microseconds{500}, [&] { order.push_back(1); }).value();
  EventLoop::Watch never = loop_->CallAfter(hours{1}, [&] { order.push_back(3); }).value();
  loop_->Run();
  EXPECT_THAT(order, ElementsAre(1, 2));
}

TEST_F(EventLoopTest, DestroyedTimerDoesNotFire) {
  {
    const EventLoop::Watch timer =
        loop_->CallAfter(nanoseconds{0}, [] { ADD_FAILURE() << "cancelled"; }).value();
  }
  RunWhatIsReady();
}

TEST_F(EventLoopTest, TimerMayStartTheNextFromItsCallback) {
  int fired = 0;
  std::optional<EventLoop::Watch> timer;
  const std::function<void()> tick = [&] {
    if (++fired == 5) return loop_->Stop();
    timer = loop_->CallAfter(microseconds{10}, [&] { tick(); }).value();
  };
  timer = loop_->CallAfter(microseconds{10}, tick).value();
  loop_->Run();
  EXPECT_EQ(fired, 5);
}

TEST_F(EventLoopTest, LongestDelayDoesNotFireAtOnce) {
  EventLoop::Watch timer =
      loop_->CallAfter(nanoseconds::max(), [] { ADD_FAILURE() << "too early"; }).value();
  RunWhatIsReady();
}

}  // namespace
}  // namespace ember
