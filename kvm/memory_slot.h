#ifndef EMBER_KVM_MEMORY_SLOT_H_
#define EMBER_KVM_MEMORY_SLOT_H_

#include <cstdint>
#include <utility>

#include "memory/guest_address.h"

namespace ember::kvm {

class Vm;

// Whether KVM notes which pages of a slot the guest writes: each first write costs an exit.
enum class DirtyLog { kOff, kOn };

// Host memory that the guest sees beside the RAM its machine was made with, for as long as this
// lives: a persistent memory device's file, a piece of hotplugged memory. Made by
// Vm::AddMemorySlot(). When it goes, guest accesses exit as MMIO; a vCPU that uses the range at
// that moment sees either. Move-only; any thread, one at a time; destroyed before the Vm and before
// the host memory.
class MemorySlot {
 public:
  MemorySlot() = default;
  MemorySlot(MemorySlot&& other) noexcept
      : vm_(std::exchange(other.vm_, nullptr)), number_(other.number_), range_(other.range_) {}
  MemorySlot& operator=(MemorySlot&& other) noexcept;
  ~MemorySlot() { Remove(); }

  GuestRange range() const { return range_; }

 private:
  friend class Vm;
  MemorySlot(Vm& vm, uint32_t number, GuestRange range)
      : vm_(&vm), number_(number), range_(range) {}
  void Remove();

  Vm* vm_ = nullptr;  // null: there is none
  uint32_t number_ = 0;
  GuestRange range_;
};

}  // namespace ember::kvm

#endif  // EMBER_KVM_MEMORY_SLOT_H_
