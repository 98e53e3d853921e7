#ifndef EMBER_TESTS_BASE_FAKE_CLOCK_H_
#define EMBER_TESTS_BASE_FAKE_CLOCK_H_

#include <chrono>

#include "base/clock.h"

namespace ember {

// A clock whose hands a test turns. One thread.
class FakeClock final : public Clock {
 public:
  std::chrono::nanoseconds Now() const override { return now_; }
  void Advance(std::chrono::nanoseconds by) { now_ += by; }

 private:
  std::chrono::nanoseconds now_{0};
};

}  // namespace ember

#endif  // EMBER_TESTS_BASE_FAKE_CLOCK_H_
