#include "devices/boot_timer.h"

#include <algorithm>

#include "base/log.h"

namespace ember {

using std::chrono::duration_cast;
using std::chrono::microseconds;

void BootTimer::Read(uint64_t /*offset*/, std::span<std::byte> /*out*/) {
  // Write-only: zero, as `out` is.
}

void BootTimer::Write(uint64_t offset, std::span<const std::byte> in) {
  if (offset != 0 || in.size() != 1 || std::to_integer<uint8_t>(in[0]) != kBooted) return;
  const auto wall = duration_cast<microseconds>(wall_clock_.Now() - start_.wall);
  const auto cpu = duration_cast<microseconds>(cpu_clock_.Now() - start_.cpu);
  int64_t expected = kNotBooted;
  // A start in the future, of a clock that the caller mixed up, is not "not booted".
  const int64_t boot_time_us = std::max<int64_t>(wall.count(), 0);
  if (!boot_time_us_.compare_exchange_strong(expected, boot_time_us, std::memory_order_relaxed)) {
    return;
  }
  EMBER_LOG_LIMITED(kInfo, "Guest-boot-time = ", boot_time_us, " us ", boot_time_us / 1000, " ms, ",
                    cpu.count(), " CPU us ", cpu.count() / 1000, " CPU ms");
}

std::optional<microseconds> BootTimer::boot_time() const {
  const int64_t boot_time_us = boot_time_us_.load(std::memory_order_relaxed);
  if (boot_time_us == kNotBooted) return std::nullopt;
  return microseconds(boot_time_us);
}

}  // namespace ember
