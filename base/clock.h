#ifndef EMBER_BASE_CLOCK_H_
#define EMBER_BASE_CLOCK_H_

#include <chrono>
#include <cstdint>

namespace ember {

// A monotonic clock, as an interface so that a test can turn its hands (tests/base/fake_clock.h).
// Any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  // Time since some fixed moment; never goes back.
  virtual std::chrono::nanoseconds Now() const = 0;
};

// The host's CLOCK_MONOTONIC. Lives as long as the process.
const Clock& MonotonicClock();
// CPU time that all threads of this process have used. Lives as long as the process.
const Clock& ProcessCpuClock();

// Whole microseconds since a time of MonotonicClock().
uint64_t MicrosecondsSince(std::chrono::nanoseconds begin);

}  // namespace ember

#endif  // EMBER_BASE_CLOCK_H_
