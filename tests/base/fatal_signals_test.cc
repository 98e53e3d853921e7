#include "base/fatal_signals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/sanitizer.h"
#include "base/thread.h"
#include "tests/base/temporary_directory.h"

namespace ember {
namespace {

using testing::HasSubstr;

constexpr std::array<FatalSignal, 5> kSignals = {{{SIGSYS, "SIGSYS", 48},
                                                  {SIGBUS, "SIGBUS", 49},
                                                  {SIGSEGV, "SIGSEGV", 50},
                                                  {SIGPIPE, "SIGPIPE", 55},
                                                  {SIGXCPU, "SIGXCPU", 54}}};

class FatalSignalsTest : public testing::Test {
 protected:
  // What a process of its own ends with that handles the signals and then runs `body`.
  int StatusOf(const std::function<void()>& body) {
    const pid_t child = ::fork();
    if (child == 0) {
      static_cast<void>(OpenLogFile(log_));
      if (!HandleFatalSignals(kSignals)) ::_exit(1);
      body();
      ::_exit(0);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return status;
  }
  int ExitOf(const std::function<void()>& body) {
    const int status = StatusOf(body);
    EXPECT_TRUE(WIFEXITED(status)) << status;
    return WEXITSTATUS(status);
  }
  std::string Log() const { return TemporaryDirectory::Read(log_); }

  TemporaryDirectory directory_;
  const std::string log_ = directory_.Path("log");
};

TEST_F(FatalSignalsTest, EachEndsTheProcessWithItsCodeAndALine) {
  for (const FatalSignal& signal : kSignals) {
    if (kSanitized && (signal.number == SIGBUS || signal.number == SIGSEGV)) continue;
    // ThreadSanitizer now and then loses what another process sends.
    if (kThreadSanitized && signal.number == SIGPIPE) continue;
    EXPECT_EQ(ExitOf([&] {
                if (kThreadSanitized) ::raise(signal.number);
                // From another process, which for SIGPIPE makes the difference.
                if (::fork() == 0) ::_exit(::kill(::getppid(), signal.number));
                for (;;) ::pause();
              }),
              signal.exit_code);
    EXPECT_THAT(Log(), HasSubstr(Concat("; exit code ", signal.exit_code, "\n")));
  }
  EXPECT_THAT(Log(), HasSubstr("Shutting down VM after intercepting a bad syscall ("));
  EXPECT_THAT(Log(),
              HasSubstr(Concat("Shutting down VM after intercepting signal 24 (SIGXCPU), code ",
                               kThreadSanitized ? "-6" : "0")));
}

TEST_F(FatalSignalsTest, AWriteToAPipeWithoutAReaderOnlyCounts) {
  EXPECT_EQ(ExitOf([] {
              std::array<int, 2> ends{};
              if (::pipe(ends.data()) < 0) ::_exit(1);
              ::close(ends[0]);
              const bool failed = ::write(ends[1], "x", 1) < 0 && errno == EPIPE;
              ::_exit(failed && fatal_signal_count(SIGPIPE).value() == 1 ? 7 : 1);
            }),
            7);
}

TEST_F(FatalSignalsTest, CleanupsThatLiveAreRunAndOthersAreNot) {
  const std::string gone = directory_.Write("gone", "");
  const std::string released = directory_.Write("released", "");
  const std::string moved = directory_.Write("moved", "");
  const std::string replaced = directory_.Write("replaced", "");
  EXPECT_EQ(ExitOf([&] {
              const PathRemovedOnSignal first(gone);
              { const PathRemovedOnSignal second(released); }
              PathRemovedOnSignal third(moved);
              const PathRemovedOnSignal fourth(std::move(third));
              const PathRemovedOnSignal fifth(replaced);
              std::filesystem::rename(directory_.Write("new", "another's"), replaced);
              ::raise(SIGXCPU);
            }),
            54);
  EXPECT_FALSE(std::filesystem::exists(gone));
  EXPECT_TRUE(std::filesystem::exists(released));
  EXPECT_FALSE(std::filesystem::exists(moved));
  EXPECT_EQ(TemporaryDirectory::Read(replaced), "another's");
}

TEST_F(FatalSignalsTest, AFaultInACleanupEndsTheProcessWithItsOwnCode) {
  if (kThreadSanitized) GTEST_SKIP() << "the sanitizer holds the second signal back";
  EXPECT_EQ(ExitOf([] {
              const FatalCleanup faulty([](void*) { ::raise(SIGSYS); }, nullptr);
              ::raise(SIGXCPU);
            }),
            48);
}

TEST_F(FatalSignalsTest, AnAbortIsCleanedUpAfterAndStaysAnAbort) {
  const std::string path = directory_.Write("socket", "");
  const int status = StatusOf([&] {
    const PathRemovedOnSignal removed(path);
    const FatalCleanup counted(
        [](void*) {
          if (fatal_signal_count(SIGABRT).value() != 1) ::_exit(1);
        },
        nullptr);
    std::abort();
  });
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGABRT);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(FatalSignalsTest, AnAbortThatAnotherProcessSendsEndsThisOne) {
  const std::string path = directory_.Write("socket", "");
  const int status = StatusOf([&] {
    const PathRemovedOnSignal removed(path);
    ::kill(::getpid(), SIGABRT);
  });
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGABRT);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(FatalSignalsTest, WhatAnotherThreadBeginsMainsThreadFinishes) {
  if (kThreadSanitized) GTEST_SKIP() << "the sanitizer may hold the second signal back";
  const auto begin_elsewhere = [](int number) {
    const FatalCleanup where(
        [](void*) {
          if (::gettid() != ::getpid()) ::_exit(1);
        },
        nullptr);
    const Thread other = *Thread::Start("other", [number] { ::raise(number); });
    for (;;) ::pause();
  };
  EXPECT_EQ(ExitOf([&] { begin_elsewhere(SIGXCPU); }), 54);
  EXPECT_THAT(Log(), HasSubstr(":other] Shutting down VM after intercepting signal 24"));
  const int status = StatusOf([&] { begin_elsewhere(SIGABRT); });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) << status;
}

TEST_F(FatalSignalsTest, AFaultInACleanupThatWasHandedOverEndsTheProcessToo) {
  if (kThreadSanitized) GTEST_SKIP() << "the sanitizer holds the second signal back";
  EXPECT_EQ(ExitOf([] {
              const FatalCleanup faulty([](void*) { ::raise(SIGSYS); }, nullptr);
              const Thread other = *Thread::Start("other", [] { ::raise(SIGXCPU); });
              for (;;) ::pause();
            }),
            48);
}

TEST_F(FatalSignalsTest, MoreCleanupsThanThereIsPlaceForAreHarmless) {
  std::vector<std::unique_ptr<FatalCleanup>> many;
  for (size_t i = 0; i < FatalCleanup::kMaxCleanups + 10; ++i) {
    many.push_back(std::make_unique<FatalCleanup>([](void*) {}, nullptr));
  }
}

TEST_F(FatalSignalsTest, CleanupsComeAndGoWhileTheProcessEnds) {
  for (int round = 0; round < 20; ++round) {
    EXPECT_EQ(ExitOf([] {
                const auto come_and_go = [] {
                  for (;;) {
                    auto value = std::make_unique<int>(1);
                    const FatalCleanup touch([](void* at) { ++*static_cast<int*>(at); },
                                             value.get());
                  }
                };
                const Thread first = *Thread::Start("first", come_and_go);
                const Thread second = *Thread::Start("second", come_and_go);
                ::usleep(1000);
                ::raise(SIGXCPU);
              }),
              54);
  }
}

// Goes deeper until there is no more stack; not to be made a loop of.
[[gnu::noinline]] void Overflow(volatile char* above) {  // NOLINT(misc-no-recursion)
  std::array<char, 4096> frame;
  volatile char* const here = frame.data();
  if (above == nullptr) return;
  *here = *above;
  Overflow(here);
  *above = *here;
}

TEST_F(FatalSignalsTest, AThreadThatOverflowsItsStackEndsTheProcessInOrder) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer handles this fault";
  const std::string path = directory_.Write("socket", "");
  EXPECT_EQ(ExitOf([&] {
              const PathRemovedOnSignal removed(path);
              Thread::Start("deep", [] {
                char top = 0;
                Overflow(&top);
              })->Join();
            }),
            50);
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace ember
