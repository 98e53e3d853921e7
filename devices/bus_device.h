#ifndef EMBER_DEVICES_BUS_DEVICE_H_
#define EMBER_DEVICES_BUS_DEVICE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace ember {

// What answers reads and writes in a range of MMIO or port space. `offset` counts from the start of
// the device's own range: a device never knows its base address. Called from vCPU threads, several
// at once: an implementation guards its own state. The access lies inside the device's range and is
// 1, 2, 4 or 8 bytes long.
class BusDevice {
 public:
  virtual ~BusDevice() = default;
  // For logs and overlap errors.
  virtual std::string_view name() const = 0;
  // `out` is zero-filled before the call.
  virtual void Read(uint64_t offset, std::span<std::byte> out) = 0;
  virtual void Write(uint64_t offset, std::span<const std::byte> in) = 0;
};

}  // namespace ember

#endif  // EMBER_DEVICES_BUS_DEVICE_H_
