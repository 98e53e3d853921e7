#ifndef EMBER_FIRMWARE_X86_64_E820_H_
#define EMBER_FIRMWARE_X86_64_E820_H_

#include <cstdint>
#include <vector>

#include "memory/guest_address.h"
#include "memory/guest_memory.h"

namespace ember::firmware::x86_64 {

// ACPI 6.4, table 15.1; the zero page and PVH's memory map share the numbers.
enum class MemoryType : uint32_t { kRam = 1, kReserved = 2 };

struct MemoryMapEntry {
  GuestRange range;
  MemoryType type{};

  friend bool operator==(const MemoryMapEntry&, const MemoryMapEntry&) = default;
};

// The guest's memory map, sorted: RAM, less the first MiB's firmware areas of layout.h. `memory`
// begins with a region at 0 that goes beyond 1 MiB.
std::vector<MemoryMapEntry> BuildMemoryMap(const GuestMemory& memory);

}  // namespace ember::firmware::x86_64

#endif  // EMBER_FIRMWARE_X86_64_E820_H_
