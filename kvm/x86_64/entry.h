#ifndef EMBER_KVM_X86_64_ENTRY_H_
#define EMBER_KVM_X86_64_ENTRY_H_

#include <cstdint>

#include "base/result.h"
#include "kvm/vcpu.h"
#include "memory/guest_address.h"

// The state in which the boot vCPU enters a kernel. The other vCPUs need none: with KVM's interrupt
// controllers they wait for the boot vCPU's start-up message.
namespace ember::kvm::x86_64 {

// Selectors of the descriptors that a GDT handed over in LinuxEntry must hold (Linux x86 boot
// protocol, "64-bit boot protocol": __BOOT_CS and __BOOT_DS).
inline constexpr uint16_t kBootCodeSelector = 0x10;
inline constexpr uint16_t kBootDataSelector = 0x18;

struct DescriptorTable {
  GuestAddress base{};
  uint16_t limit = 0;  // its size in bytes less one
};

// Linux's 64-bit entry: long mode, paging on, interrupts off, boot_params in RSI.
struct LinuxEntry {
  GuestAddress rip{};
  GuestAddress boot_params{};
  GuestAddress page_table_root{};  // the PML4; maps the kernel, boot_params and command line 1:1
  DescriptorTable gdt;
};

// The PVH entry: 32-bit protected mode, flat segments, paging and interrupts off, hvm_start_info in
// EBX (Xen, "x86/HVM direct boot ABI").
struct PvhEntry {
  GuestAddress rip{};
  GuestAddress start_info{};
};

// After SetUpVcpu(): KVM refuses modes that the vCPU's CPUID does not offer.
Status SetEntryState(const Vcpu& vcpu, const LinuxEntry& entry);
Status SetEntryState(const Vcpu& vcpu, const PvhEntry& entry);

}  // namespace ember::kvm::x86_64

#endif  // EMBER_KVM_X86_64_ENTRY_H_
