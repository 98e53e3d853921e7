#include "kvm/x86_64/entry.h"

#include "kvm/x86_64/registers.h"

namespace ember::kvm::x86_64 {
namespace {

// AMD64 Architecture Programmer's Manual, volume 2, 3.1.
constexpr uint64_t kCr0ProtectedMode = 1U << 0;
constexpr uint64_t kCr0ExtensionType = 1U << 4;
constexpr uint64_t kCr0Paging = 1U << 31;
constexpr uint64_t kCr4PhysicalAddressExtension = 1U << 5;
constexpr uint64_t kEferLongModeEnable = 1U << 8;
constexpr uint64_t kEferLongModeActive = 1U << 10;
constexpr uint64_t kRflagsAlwaysSet = 1U << 1;

// Segment types (volume 2, 4.7 and 4.8), marked accessed or busy as a loaded one is.
constexpr uint8_t kTypeDataWritable = 0x3;
constexpr uint8_t kTypeCodeReadable = 0xb;
constexpr uint8_t kTypeBusyTss = 0xb;

enum class CodeWidth { k32, k64 };

kvm_segment FlatSegment(uint16_t selector, uint8_t type) {
  kvm_segment segment{};
  segment.limit = 0xffff'ffff;
  segment.selector = selector;
  segment.type = type;
  segment.present = 1;
  segment.s = 1;
  segment.g = 1;
  return segment;
}

kvm_segment CodeSegment(CodeWidth width) {
  kvm_segment segment = FlatSegment(kBootCodeSelector, kTypeCodeReadable);
  segment.l = width == CodeWidth::k64 ? 1 : 0;
  segment.db = width == CodeWidth::k32 ? 1 : 0;
  return segment;
}

kvm_segment DataSegment() {
  kvm_segment segment = FlatSegment(kBootDataSelector, kTypeDataWritable);
  segment.db = 1;
  return segment;
}

// Nobody uses it, but Intel processors refuse a guest without one.
kvm_segment TaskSegment() {
  kvm_segment segment{};
  segment.limit = 0x67;
  segment.type = kTypeBusyTss;
  segment.present = 1;
  return segment;
}

void SetSegments(kvm_sregs& registers, CodeWidth width) {
  registers.cs = CodeSegment(width);
  for (kvm_segment* segment :
       {&registers.ds, &registers.es, &registers.fs, &registers.gs, &registers.ss}) {
    *segment = DataSegment();
  }
  registers.tr = TaskSegment();
  // A fault before the kernel has its own table ends in a triple fault.
  registers.idt = {};
}

}  // namespace

Status SetEntryState(const Vcpu& vcpu, const LinuxEntry& entry) {
  kvm_sregs system = TRY(ReadSystemRegisters(vcpu));
  SetSegments(system, CodeWidth::k64);
  system.gdt.base = ToInteger(entry.gdt.base);
  system.gdt.limit = entry.gdt.limit;
  system.cr0 = kCr0ProtectedMode | kCr0ExtensionType | kCr0Paging;
  system.cr3 = ToInteger(entry.page_table_root);
  system.cr4 = kCr4PhysicalAddressExtension;
  system.efer = kEferLongModeEnable | kEferLongModeActive;
  TRY(WriteSystemRegisters(vcpu, system));

  kvm_regs registers{};
  registers.rip = ToInteger(entry.rip);
  registers.rsi = ToInteger(entry.boot_params);
  registers.rflags = kRflagsAlwaysSet;
  return WriteRegisters(vcpu, registers);
}

Status SetEntryState(const Vcpu& vcpu, const PvhEntry& entry) {
  kvm_sregs system = TRY(ReadSystemRegisters(vcpu));
  SetSegments(system, CodeWidth::k32);
  system.gdt = {};
  system.cr0 = kCr0ProtectedMode | kCr0ExtensionType;
  system.cr3 = 0;
  system.cr4 = 0;
  system.efer = 0;
  TRY(WriteSystemRegisters(vcpu, system));

  kvm_regs registers{};
  registers.rip = ToInteger(entry.rip);
  registers.rbx = ToInteger(entry.start_info);
  registers.rflags = kRflagsAlwaysSet;
  return WriteRegisters(vcpu, registers);
}

}  // namespace ember::kvm::x86_64
