#include "base/clock.h"

#include <ctime>

namespace ember {
namespace {

class HostClock final : public Clock {
 public:
  std::chrono::nanoseconds Now() const override {
    return std::chrono::steady_clock::now().time_since_epoch();
  }
};

class CpuClock final : public Clock {
 public:
  std::chrono::nanoseconds Now() const override {
    timespec used{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
  }
};

}  // namespace

const Clock& MonotonicClock() {
  static const HostClock clock;
  return clock;
}

const Clock& ProcessCpuClock() {
  static const CpuClock clock;
  return clock;
}

uint64_t MicrosecondsSince(std::chrono::nanoseconds begin) {
  const auto passed = MonotonicClock().Now() - begin;
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(passed).count());
}

}  // namespace ember
