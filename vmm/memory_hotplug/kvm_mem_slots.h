#ifndef EMBER_VMM_MEMORY_HOTPLUG_KVM_MEM_SLOTS_H_
#define EMBER_VMM_MEMORY_HOTPLUG_KVM_MEM_SLOTS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

#include "base/result.h"
#include "kvm/memory_slot.h"
#include "kvm/vm.h"
#include "memory/pluggable_memory.h"
#include "virtio/mem/mem_slots.h"

namespace ember::vmm {

// A memory device's slots as memory slots of KVM's. Owned by the device; destroyed before the VM
// and the memory.
class KvmMemSlots final : public virtio::MemSlots {
 public:
  // Borrows both for its life. The memory is a whole number of slots.
  KvmMemSlots(kvm::Vm& vm, const PluggableMemory& memory, uint64_t slot_bytes, kvm::DirtyLog log)
      : vm_(vm), memory_(memory), slot_bytes_(slot_bytes), log_(log) {}

  Status Show(size_t index) override {
    const uint64_t offset = index * slot_bytes_;
    const GuestRange range{.start = memory_.range().start + offset, .size_bytes = slot_bytes_};
    kvm::MemorySlot slot =
        TRY(vm_.AddMemorySlot(range, memory_.host() + offset, Access::kReadWrite, log_));
    shown_.emplace(index, std::move(slot));
    return {};
  }
  void Hide(size_t index) override { shown_.erase(index); }

 private:
  kvm::Vm& vm_;
  const PluggableMemory& memory_;
  const uint64_t slot_bytes_;
  const kvm::DirtyLog log_;
  std::map<size_t, kvm::MemorySlot> shown_;
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_MEMORY_HOTPLUG_KVM_MEM_SLOTS_H_
