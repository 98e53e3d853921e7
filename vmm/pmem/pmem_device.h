#ifndef EMBER_VMM_PMEM_PMEM_DEVICE_H_
#define EMBER_VMM_PMEM_PMEM_DEVICE_H_

#include <memory>
#include <optional>

#include "base/result.h"
#include "kvm/memory_slot.h"
#include "kvm/vm.h"
#include "memory/address_allocator.h"
#include "virtio/pmem/pmem_device.h"
#include "vmm/pmem/pmem.h"
#include "vmm/snapshot/device_states.h"

// What the machine makes of persistent memory.
namespace ember::vmm {

// A device and its memory as the guest sees it. The memory is no part of GuestMemory: a driver that
// gives it to another device as a buffer breaks the rules.
struct PmemParts {
  std::unique_ptr<virtio::PmemDevice> device;  // owns what the slot shows
  kvm::MemorySlot slot;
};

// Maps the device's file and shows it to the guest at an address from `addresses`, or where it was
// in a snapshot. Errors: also a file of another size than there.
Result<PmemParts> CreatePmem(const PmemConfig& pmem, kvm::Vm& vm, AddressAllocator& addresses,
                             const std::optional<DeviceMemoryState>& state = std::nullopt);

}  // namespace ember::vmm

#endif  // EMBER_VMM_PMEM_PMEM_DEVICE_H_
