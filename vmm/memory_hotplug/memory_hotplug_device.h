#ifndef EMBER_VMM_MEMORY_HOTPLUG_MEMORY_HOTPLUG_DEVICE_H_
#define EMBER_VMM_MEMORY_HOTPLUG_MEMORY_HOTPLUG_DEVICE_H_

#include <memory>
#include <optional>
#include <string>

#include "base/journal.h"
#include "base/result.h"
#include "kvm/vm.h"
#include "memory/address_allocator.h"
#include "memory/guest_memory.h"
#include "virtio/mem/mem_device.h"
#include "vmm/memory_hotplug/memory_hotplug.h"

// What the machine makes of memory hotplug.
namespace ember::vmm {

// The space for it, which guest memory is made with.
Result<PluggableMemory::Options> TakePluggable(const MemoryHotplugConfig& memory,
                                               AddressAllocator& addresses);
// The device for the pluggable memory of `guest_memory`; both outlive it, and so
// does the journal, which hears of what is plugged.
Result<std::unique_ptr<virtio::MemDevice>> CreateMemoryHotplug(
    const MemoryHotplugConfig& memory, kvm::Vm& vm, const GuestMemory& guest_memory,
    Journal* journal = nullptr, std::optional<virtio::MemState> state = std::nullopt);

// As MemDevice::SetRequestedSize(). While nobody else is in the device, and so is the next.
Status Update(virtio::MemDevice& device, const MemoryHotplugUpdate& update);
// What GET /hotplug/memory answers.
std::string StatusJson(const MemoryHotplugConfig& memory, const virtio::MemDevice& device);

}  // namespace ember::vmm

#endif  // EMBER_VMM_MEMORY_HOTPLUG_MEMORY_HOTPLUG_DEVICE_H_
