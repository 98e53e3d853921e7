#include "base/retry_interrupted.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace ember {
namespace {

// A system call that fails with these errors, one after the other, and then returns 5.
template <typename... Errors>
auto FailingWith(int& calls, Errors... errors) {
  return [&calls, errors...] {
    const int numbers[] = {errors..., 0};
    errno = numbers[calls++];
    return errno == 0 ? 5 : -1;
  };
}

TEST(RetryInterruptedTest, ACallIsMadeUntilNoSignalComesInBetween) {
  int calls = 0;
  EXPECT_EQ(RetryInterrupted(FailingWith(calls, EINTR, EINTR)), 5);
  EXPECT_EQ(calls, 3);
}

TEST(RetryInterruptedTest, ACallThatFailsOtherwiseIsNotMadeAgain) {
  int calls = 0;
  EXPECT_EQ(RetryInterrupted(FailingWith(calls, EINTR, EIO)), -1);
  EXPECT_EQ(errno, EIO);
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace ember
