#include "base/clock.h"

namespace ember {
namespace {

class HostClock final : public Clock {
 public:
  std::chrono::nanoseconds Now() const override {
    return std::chrono::steady_clock::now().time_since_epoch();
  }
};

}  // namespace

const Clock& MonotonicClock() {
  static const HostClock clock;
  return clock;
}

}  // namespace ember
