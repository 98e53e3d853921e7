#include "base/timer.h"

#include <sys/timerfd.h>

#include <algorithm>

#include "base/check.h"

namespace ember {

Result<Timer> Timer::Create() {
  Fd fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!fd.valid()) return Error::FromErrno("timerfd_create");
  return Timer(std::move(fd));
}

void Timer::Arm(std::chrono::nanoseconds delay) {
  using std::chrono::nanoseconds;
  // A time of 0 would disarm it.
  delay = std::max(delay, nanoseconds(1));
  armed_ = true;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(delay);
  itimerspec time{};
  time.it_value.tv_sec = seconds.count();
  time.it_value.tv_nsec = nanoseconds(delay - seconds).count();
  EMBER_CHECK(::timerfd_settime(fd_.get(), 0, &time, nullptr) == 0);
}

void Timer::Disarm() {
  armed_ = false;
  const itimerspec never{};
  EMBER_CHECK(::timerfd_settime(fd_.get(), 0, &never, nullptr) == 0);
}

}  // namespace ember
