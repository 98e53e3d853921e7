#ifndef EMBER_DEVICES_BUS_H_
#define EMBER_DEVICES_BUS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "devices/bus_device.h"

namespace ember {

// An address space of devices: MMIO (guest-physical addresses) or port I/O. Filled before the
// machine runs, read-only after, so vCPU threads look up without a lock.
class Bus {
 public:
  struct Range {
    uint64_t base = 0;
    uint64_t size_bytes = 0;
  };

  // Fails if the range is empty, wraps, or overlaps one that is there; the error names both devices
  // and both ranges.
  Status Insert(Range range, std::shared_ptr<BusDevice> device);

  // Passes the access to the device that holds all of it. False where there is none (or the access
  // runs over the end of a device): `out` is then left zero-filled. Zero-fills `out` first.
  bool Read(uint64_t address, std::span<std::byte> out) const;
  bool Write(uint64_t address, std::span<const std::byte> in) const;

 private:
  struct Entry {
    Range range;
    std::shared_ptr<BusDevice> device;
  };
  const Entry* Find(uint64_t address, size_t len) const;

  std::vector<Entry> entries_;  // sorted by base
};

}  // namespace ember

#endif  // EMBER_DEVICES_BUS_H_
