#ifndef EMBER_DEVICES_BOOT_TIMER_H_
#define EMBER_DEVICES_BOOT_TIMER_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/clock.h"
#include "devices/bus_device.h"

namespace ember {

// One register. A guest that writes 123 into its first byte, once it has booted, has the time since
// the machine was started written to the log. Only the first time counts. Any thread.
class BootTimer final : public BusDevice {
 public:
  static constexpr uint64_t kRegisterBytes = 0x1000;
  static constexpr uint8_t kBooted = 123;

  // The start, on the two clocks.
  struct Start {
    std::chrono::nanoseconds wall{};
    std::chrono::nanoseconds cpu{};
  };

  // The clocks must outlive it: of time as it goes by, and of the process's CPU time.
  BootTimer(const Clock& wall_clock, const Clock& cpu_clock, Start start)
      : wall_clock_(wall_clock), cpu_clock_(cpu_clock), start_(start) {}

  std::string_view name() const override { return "boot timer"; }
  void Read(uint64_t offset, std::span<std::byte> out) override;
  void Write(uint64_t offset, std::span<const std::byte> in) override;

  // Nothing until the guest has said that it has booted.
  std::optional<std::chrono::microseconds> boot_time() const;

 private:
  static constexpr int64_t kNotBooted = -1;

  const Clock& wall_clock_;
  const Clock& cpu_clock_;
  const Start start_;
  // One variable on its own: relaxed order will do.
  std::atomic<int64_t> boot_time_us_{kNotBooted};
};

}  // namespace ember

#endif  // EMBER_DEVICES_BOOT_TIMER_H_
