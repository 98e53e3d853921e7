#include "tests/fuzz/confinement.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <thread>

#include "base/fd.h"

namespace ember::fuzz {
namespace {

using sandbox::ThreadKind;

Fd OpenSomething() { return Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }
Fd MakeInternetSocket() { return Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)); }

// What a filter does is for good, so each check is in a process of its own.
template <typename Check>
void ExpectHolds(const Check& check) {
  EXPECT_EXIT(::_exit(check() ? 0 : 1), testing::ExitedWithCode(0), "");
}

TEST(FuzzConfinementDeathTest, ACallThatTheThreadMayNotMakeIsAFinding) {
  EXPECT_EXIT(
      {
        const Confinement confinement(ThreadKind::kDevice);
        OpenSomething();
      },
      testing::KilledBySignal(SIGABRT), "the target made system call 257");
  EXPECT_EXIT(
      {
        const Confinement confinement(ThreadKind::kWorker);
        MakeInternetSocket();
      },
      testing::KilledBySignal(SIGABRT), "the target made system call 41");
}

TEST(FuzzConfinementDeathTest, SoIsOneOfAThreadThatTheTargetStarts) {
  EXPECT_EXIT(
      {
        const Confinement confinement(ThreadKind::kWorker);
        std::thread(MakeInternetSocket).join();
      },
      testing::KilledBySignal(SIGABRT), "the target made system call 41");
}

TEST(FuzzConfinementDeathTest, WhatTheThreadMayDoIsDone) {
  ExpectHolds([] {
    const Confinement confinement(ThreadKind::kWorker);
    return OpenSomething().valid();
  });
}

TEST(FuzzConfinementDeathTest, BetweenInputsTheFuzzerMayDoAnything) {
  ExpectHolds([] {
    for (int input = 0; input < 3; ++input) {
      { const Confinement confinement(ThreadKind::kVcpu); }
      if (!OpenSomething().valid() || !MakeInternetSocket().valid()) return false;
    }
    return true;
  });
}

}  // namespace
}  // namespace ember::fuzz
