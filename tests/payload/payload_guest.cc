#include "tests/payload/payload_guest.h"

#include <gtest/gtest.h>
#include <linux/kvm.h>

#include <array>
#include <optional>

#include "base/concat.h"
#include "kvm/ioctl.h"
#include "kvm/x86_64/registers.h"
#include "kvm/x86_64/vcpu_setup.h"
#include "memory/layout.h"

namespace ember {
namespace {

constexpr GuestAddress kGdt{0x1000};
constexpr GuestAddress kIdt{0x1'0000};
constexpr GuestAddress kTss{0x2'0000};
constexpr GuestAddress kPml4{0x2000};
constexpr GuestAddress kPdpt{0x3000};
constexpr GuestAddress kPageDirectories{0x4000};
constexpr uint64_t kMappedGib = 8;
constexpr uint32_t kMostVcpus = 32;

// Present, writable, for user mode; in a page directory also: of 2 MiB.
constexpr uint64_t kTableEntry = 0x7;
constexpr uint64_t kLargePageEntry = 0x87;
constexpr uint64_t kLargePageBytes = uint64_t{2} << 20;

constexpr uint16_t kKernelCode = 0x10;
constexpr uint16_t kKernelData = 0x18;
constexpr uint16_t kUserCode = 0x20 | 3;
constexpr uint16_t kUserData = 0x28 | 3;
constexpr uint16_t kTask = 0x30;

// Null, unused, kernel code and data, user code and data, task state.
constexpr std::array<uint64_t, 8> kDescriptors = {0,
                                                  0,
                                                  0x00af'9b00'0000'ffff,
                                                  0x00cf'9300'0000'ffff,
                                                  0x00af'fb00'0000'ffff,
                                                  0x00cf'f300'0000'ffff,
                                                  0x0000'8b00'1100'0067,
                                                  0};

constexpr uint64_t kRflagsUser = 0x3002;  // I/O privilege level 3: ports are for all
constexpr uint64_t kRflagsKernel = 0x2;

// The task state segment: 0x68 bytes, a bit for each port that user mode may not access, and an end
// marker. Beside I/O privilege level 3, which the software back end forgets; by itself it is not
// enough for QEMU's emulated processor, which knows no loaded task state segment but its own.
constexpr uint16_t kPortBitmapOffset = 0x68;
constexpr uint16_t kPortBitmapBytes = 0x2000;
constexpr uint16_t kTssLimit = kPortBitmapOffset + kPortBitmapBytes;

kvm_segment Segment(uint16_t selector, uint8_t type, uint8_t privilege) {
  kvm_segment segment{};
  segment.limit = 0xffff'ffff;
  segment.selector = selector;
  segment.type = type;
  segment.present = 1;
  segment.dpl = privilege;
  segment.s = 1;
  segment.g = 1;
  return segment;
}

}  // namespace

PayloadGuest::PayloadGuest(uint64_t memory_bytes, const GuestMemory::Options& options)
    : system_(Must(kvm::System::Open())),
      cpuid_(Must(kvm::x86_64::ReadSupportedCpuid(system_))),
      memory_(Must(GuestMemory::Create(RamRanges(memory_bytes), options))),
      vm_(Must(kvm::Vm::Create(system_, *memory_))) {
  Must(pio_.Insert({.base = kDonePort, .size_bytes = 1}, done_));
  WriteTables();
}

void PayloadGuest::WriteTables() {
  Must(memory_->Write(kGdt, kDescriptors));
  Must(memory_->Write(kTss + 4, kStackTop));  // RSP0: the stack of a handler
  Must(memory_->Write(kTss + 0x66, kPortBitmapOffset));
  Must(memory_->Write(kTss + kTssLimit, uint8_t{0xff}));
  Must(memory_->Write(kPml4, ToInteger(kPdpt) | kTableEntry));
  std::array<uint64_t, 512> directory;
  for (uint64_t gib = 0; gib < kMappedGib; ++gib) {
    const GuestAddress at = kPageDirectories + gib * sizeof(directory);
    Must(memory_->Write(kPdpt + gib * sizeof(uint64_t), ToInteger(at) | kTableEntry));
    for (uint64_t page = 0; page < directory.size(); ++page) {
      directory[page] = (gib * directory.size() + page) * kLargePageBytes | kLargePageEntry;
    }
    Must(memory_->Write(at, directory));
  }
}

void PayloadGuest::LoadCode(GuestAddress at, const PayloadCode& code) {
  Must(memory_->WriteBytes(at, code.bytes()));
}

void PayloadGuest::SetInterruptHandler(const PayloadCode& handler) {
  LoadCode(kInterruptHandler, handler);
  // An interrupt gate of 64-bit mode, present.
  const uint64_t offset = ToInteger(kInterruptHandler);
  const std::array<uint64_t, 2> gate = {(offset & 0xffff) | uint64_t{kKernelCode} << 16 |
                                            uint64_t{0x8e} << 40 | (offset >> 16 & 0xffff) << 48,
                                        offset >> 32};
  for (uint64_t vector = 32; vector < 256; ++vector) {
    Must(memory_->Write(kIdt + vector * sizeof(gate), gate));
  }
}

std::unique_ptr<kvm::Vcpu> PayloadGuest::CreateVcpu(uint32_t index, const PayloadCode& code,
                                                    Mode mode) {
  LoadCode(kCode, code);
  return CreateVcpuAt(index, kCode, mode);
}

std::unique_ptr<kvm::Vcpu> PayloadGuest::CreateVcpuAt(uint32_t index, GuestAddress code,
                                                      Mode mode) {
  std::unique_ptr<kvm::Vcpu> vcpu = Must(vm_->CreateVcpu(kvm::VcpuIndex{index}));
  Must(kvm::x86_64::SetUpVcpu(*vcpu, cpuid_, {.vcpu_count = kMostVcpus}, msrs_));
  SetRegisters(*vcpu, code, mode);
  kvm_mp_state runnable{.mp_state = KVM_MP_STATE_RUNNABLE};
  Must(kvm::Ioctl(vcpu->fd(), KVM_SET_MP_STATE, "KVM_SET_MP_STATE", &runnable));
  return vcpu;
}

void PayloadGuest::SetRegisters(const kvm::Vcpu& vcpu, GuestAddress code, Mode mode) {
  const bool user = mode == Mode::kUser;
  kvm_sregs system = Must(kvm::x86_64::ReadSystemRegisters(vcpu));
  const uint8_t privilege = user ? 3 : 0;
  system.cs = Segment(user ? kUserCode : kKernelCode, 0xb, privilege);
  system.cs.l = 1;
  system.ss = Segment(user ? kUserData : kKernelData, 0x3, privilege);
  system.ss.db = 1;
  system.ds = system.es = system.fs = system.gs = system.ss;
  system.tr = Segment(kTask, 0xb, 0);
  system.tr.base = ToInteger(kTss);
  system.tr.limit = kTssLimit;
  system.tr.s = 0;
  system.tr.g = 0;
  system.gdt = {.base = ToInteger(kGdt), .limit = sizeof(kDescriptors) - 1, .padding = {}};
  system.idt = {.base = ToInteger(kIdt), .limit = 0xfff, .padding = {}};
  system.cr0 = 0x8000'0031;  // paging, protected mode, native x87 errors
  system.cr3 = ToInteger(kPml4);
  system.cr4 = 0x20;    // physical address extension
  system.efer = 0x500;  // long mode, enabled and active
  Must(kvm::x86_64::WriteSystemRegisters(vcpu, system));

  kvm_regs registers{};
  registers.rip = ToInteger(code);
  registers.rsp = kStackTop;
  registers.rflags = user ? kRflagsUser : kRflagsKernel;
  Must(kvm::x86_64::WriteRegisters(vcpu, registers));
}

std::unique_ptr<kvm::Vcpu> PayloadGuest::CreateWaiting(uint64_t value) {
  PayloadCode handler;
  handler.MovRax(value).MovRbx(ToInteger(kData)).StoreAtRbx(Width::k64).Finish();
  SetInterruptHandler(handler);
  PayloadCode code;
  code.Sti();
  const size_t wait = code.Here();
  code.Hlt().JumpTo(wait);
  return CreateVcpu(0, code, Mode::kKernel);
}

void PayloadGuest::RunUntilDone(kvm::Vcpu& vcpu) {
  const uint64_t done_before = done_->count();
  while (done_->count() == done_before) {
    if (Must(vcpu.Run()) == kvm::Vcpu::RunResult::kInterrupted) continue;
    const std::optional<kvm::StopReason> stop =
        kvm::DispatchExit(vcpu.run_area(), mmio_, pio_, vcpu.exit_clock(), metrics_);
    if (!stop) continue;
    FAIL() << Name(*stop) << ": " << kvm::DescribeStop(vcpu.run_area(), *stop) << " at "
           << vcpu.DescribePosition();
  }
}

kvm::ExitReport PayloadGuest::RunUntilStop(kvm::Vcpu& vcpu) {
  for (;;) {
    if (Must(vcpu.Run()) == kvm::Vcpu::RunResult::kInterrupted) continue;
    const std::optional<kvm::StopReason> stop =
        kvm::DispatchExit(vcpu.run_area(), mmio_, pio_, vcpu.exit_clock(), metrics_);
    if (stop) return {.reason = *stop, .details = kvm::DescribeStop(vcpu.run_area(), *stop)};
  }
}

uint64_t PayloadGuest::ReadData(GuestAddress at) const { return Must(memory_->Read<uint64_t>(at)); }

}  // namespace ember
