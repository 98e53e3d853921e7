#include "base/thread.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/signals.h"
#include "base/thread_annotations.h"

namespace ember {
namespace {

TEST(ThreadTest, DestructionWaitsForTheEnd) {
  bool ran = false;
  {
    const Thread thread = Thread::Start("worker", [&] { ran = true; }).value();
  }
  EXPECT_TRUE(ran);
}

TEST(ThreadTest, JoiningTwiceAndJoiningNothingAreHarmless) {
  Thread none;
  none.Join();
  Thread thread = Thread::Start("worker", [] {}).value();
  thread.Join();
  thread.Join();
  EXPECT_FALSE(thread.joinable());
}

TEST(ThreadTest, AssignmentJoinsTheThreadHeldBefore) {
  bool first_ran = false;
  Thread thread = Thread::Start("first", [&] { first_ran = true; }).value();
  thread = Thread::Start("second", [] {}).value();
  EXPECT_TRUE(first_ran);
  EXPECT_TRUE(thread.joinable());
}

TEST(ThreadTest, NameIsTheKernelsToo) {
  std::string ours;
  std::array<char, 16> kernels{};
  Thread::Start("vcpu-31",
                [&] {
                  ours = CurrentThreadName();
                  ::pthread_getname_np(::pthread_self(), kernels.data(), kernels.size());
                })
      .value()
      .Join();
  EXPECT_EQ(ours, "vcpu-31");
  EXPECT_STREQ(kernels.data(), "vcpu-31");
}

TEST(ThreadTest, LongNamesAreCut) {
  std::string name;
  Thread::Start("0123456789abcdefgh", [&] { name = CurrentThreadName(); }).value().Join();
  EXPECT_EQ(name, "0123456789abcde");
}

TEST(ThreadTest, JoinedThreadTakesNoSignal) {
  Thread thread = Thread::Start("worker", [] {}).value();
  thread.Join();
  EXPECT_EQ(thread.Signal(0).error().error_number(), ESRCH);
}

TEST(ThreadDeathTest, ExceptionIsLoggedWithItsThreadAndAborts) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(Thread::Start("doomed", [] { throw std::runtime_error("no way"); }).value().Join(),
               "thread doomed ended by an exception: no way");
  EXPECT_DEATH(Thread::Start("doomed", [] { throw 1; }).value().Join(),
               "thread doomed ended by an exception: of unknown type");
}

TEST(MutexTest, CounterOfManyThreadsLosesNothing) {
  constexpr int kThreads = 4;
  constexpr int kSteps = 1000;
  struct {
    Mutex mutex;
    int count GUARDED_BY(mutex) = 0;
  } shared;
  std::vector<Thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.push_back(Thread::Start("counter", [&] {
                        for (int step = 0; step < kSteps; ++step) {
                          const MutexLock lock(shared.mutex);
                          ++shared.count;
                        }
                      }).value());
  }
  threads.clear();
  const MutexLock lock(shared.mutex);
  EXPECT_EQ(shared.count, kThreads * kSteps);
}

TEST(CondVarTest, WaiterSeesWhatTheNotifierWrote) {
  struct {
    Mutex mutex;
    CondVar changed;
    int ball GUARDED_BY(mutex) = 0;  // even: the main thread's turn
  } table;
  constexpr int kRounds = 100;
  const auto play = [&table](int parity) {
    for (int round = 0; round < kRounds; ++round) {
      const MutexLock lock(table.mutex);
      while (table.ball % 2 != parity) table.changed.Wait(table.mutex);
      ++table.ball;
      table.changed.NotifyAll();
    }
  };
  Thread other = Thread::Start("other", [&] { play(1); }).value();
  play(0);
  other.Join();
  const MutexLock lock(table.mutex);
  EXPECT_EQ(table.ball, 2 * kRounds);
}

class SignalsTest : public testing::Test {
 protected:
  SignalsTest() { ::pthread_sigmask(SIG_SETMASK, nullptr, &old_mask_); }
  ~SignalsTest() override { ::pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr); }

 private:
  sigset_t old_mask_{};
};

TEST_F(SignalsTest, BlockedSignalArrivesAtTheDescriptor) {
  const Fd signals = BlockSignalsAndOpenSignalFd({SIGUSR1, SIGUSR2}).value();
  EXPECT_EQ(TakeSignal(signals), std::nullopt);
  ::raise(SIGUSR2);
  EXPECT_EQ(TakeSignal(signals), SIGUSR2);
  EXPECT_EQ(TakeSignal(signals), std::nullopt);
}

TEST_F(SignalsTest, ThreadsStartedLaterInheritTheMask) {
  const Fd signals = BlockSignalsAndOpenSignalFd({SIGUSR1}).value();
  bool blocked = false;
  Thread::Start("worker",
                [&] {
                  sigset_t mask{};
                  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
                  blocked = ::sigismember(&mask, SIGUSR1) == 1;
                })
      .value()
      .Join();
  EXPECT_TRUE(blocked);
}

TEST_F(SignalsTest, NumberThatIsNoSignalIsNamed) {
  EXPECT_EQ(BlockSignalsAndOpenSignalFd({1000}).error().message(), "signal 1000: Invalid argument");
}

}  // namespace
}  // namespace ember
