#include "base/retry_interrupted.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <vector>

namespace ember {
namespace {

// A system call that fails with these errors, one after the other, and then returns 5.
struct FailingCall {
  int Call() {
    if (calls == errors.size()) return 5;
    errno = errors[calls++];
    return -1;
  }

  std::vector<int> errors;
  size_t calls = 0;
};

TEST(RetryInterruptedTest, ACallIsMadeUntilNoSignalComesInBetween) {
  FailingCall failing{.errors = {EINTR, EINTR}};
  EXPECT_EQ(RetryInterrupted([&] { return failing.Call(); }), 5);
  EXPECT_EQ(failing.calls, 2U);
}

TEST(RetryInterruptedTest, ACallThatFailsOtherwiseIsNotMadeAgain) {
  FailingCall failing{.errors = {EINTR, EIO, EINTR}};
  EXPECT_EQ(RetryInterrupted([&] { return failing.Call(); }), -1);
  EXPECT_EQ(errno, EIO);
  EXPECT_EQ(failing.calls, 2U);
}

}  // namespace
}  // namespace ember
