#ifndef EMBER_VMM_MEMORY_HOTPLUG_MEMORY_HOTPLUG_H_
#define EMBER_VMM_MEMORY_HOTPLUG_MEMORY_HOTPLUG_H_

#include <cstdint>

#include "base/result.h"
#include "vmm/thread_choice.h"

// Memory that comes and goes while the machine runs, as clients describe it.
namespace ember::vmm {

struct MemoryHotplugConfig {
  uint32_t total_size_mib = 0;
  uint32_t block_size_mib = 2;   // what the guest takes and gives
  uint32_t slot_size_mib = 128;  // what the machine shows to its processors, or does not
  ThreadChoice thread = ThreadChoice::kVmm;  // ours

  friend bool operator==(const MemoryHotplugConfig&, const MemoryHotplugConfig&) = default;
};

// What a client changes while the machine runs.
struct MemoryHotplugUpdate {
  uint32_t requested_size_mib = 0;

  friend bool operator==(const MemoryHotplugUpdate&, const MemoryHotplugUpdate&) = default;
};

// The error names the field, in the contract's words, and both values.
Status Validate(const MemoryHotplugConfig& memory);

// For a machine that has none.
inline Error NoMemoryHotplug() { return Error("No memory hotplug device found."); }

}  // namespace ember::vmm

#endif  // EMBER_VMM_MEMORY_HOTPLUG_MEMORY_HOTPLUG_H_
