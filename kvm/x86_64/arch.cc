#include "kvm/arch.h"

#include <cpuid.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "base/concat.h"
#include "kvm/ioctl.h"
#include "kvm/x86_64/cpuid.h"

namespace ember::kvm::arch {
namespace {

// KVM keeps a task state segment (three pages) and, for real mode on older Intel processors, a page
// table (one page) in guest-physical space: here, below the boot ROM at the top of the MMIO gap.
constexpr uint64_t kIdentityMapAddress = 0xfffb'c000;
constexpr unsigned long kTssAddress = 0xfffb'd000;

constexpr uint32_t kVmxBit = 1U << 5;  // CPUID 1, ECX
constexpr uint32_t kSvmBit = 1U << 2;  // CPUID 0x80000001, ECX

}  // namespace

std::span<const Capability> Capabilities() {
  static constexpr std::array kCapabilities = {
      Capability{KVM_CAP_PIT2, "KVM_CAP_PIT2", "in-kernel interval timer",
                 "the timer that guests calibrate their clocks by"},
      Capability{KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR", "task state segment address",
                 "keeping KVM's own pages out of guest RAM"},
      Capability{KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR",
                 "identity map address", "keeping KVM's own pages out of guest RAM"},
      Capability{KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID", "extended CPUID",
                 "telling the guest what its processors are"},
  };
  return kCapabilities;
}

Result<uint32_t> PhysicalAddressBits(const System& system) {
  constexpr uint32_t kAddressSizesLeaf = 0x8000'0008;
  constexpr uint32_t kBitsWithoutTheLeaf = 36;
  for (const x86_64::CpuidEntry& entry : TRY(x86_64::ReadSupportedCpuid(system))) {
    if (entry.leaf == kAddressSizesLeaf) return entry.eax & 0xff;
  }
  return kBitsWithoutTheLeaf;
}

bool CpuHasVirtualization() {
  uint32_t eax = 0;
  uint32_t ebx = 0;
  uint32_t ecx = 0;
  uint32_t edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & kVmxBit) != 0) return true;
  return __get_cpuid(0x8000'0001, &eax, &ebx, &ecx, &edx) != 0 && (ecx & kSvmBit) != 0;
}

Status CreateInterruptControllers(const Fd& vm_fd) {
  uint64_t identity_map_address = kIdentityMapAddress;
  TRY(Ioctl(vm_fd, KVM_SET_IDENTITY_MAP_ADDR, "KVM_SET_IDENTITY_MAP_ADDR", &identity_map_address));
  TRY(Ioctl(vm_fd, KVM_SET_TSS_ADDR, "KVM_SET_TSS_ADDR", kTssAddress));
  TRY(Ioctl(vm_fd, KVM_CREATE_IRQCHIP, "KVM_CREATE_IRQCHIP"));
  // With a speaker port, so that guests that beep or calibrate by it do not come to us.
  kvm_pit_config pit{};
  pit.flags = KVM_PIT_SPEAKER_DUMMY;
  TRY(Ioctl(vm_fd, KVM_CREATE_PIT2, "KVM_CREATE_PIT2", &pit));
  return {};
}

uint32_t InterruptLineCount() { return KVM_IOAPIC_NUM_PINS; }

Status NotePause(const Fd& vcpu_fd) {
  if (::ioctl(vcpu_fd.get(), KVM_KVMCLOCK_CTRL, 0) == 0) return {};
  // The guest has not turned the clock on.
  if (errno == EINVAL) return {};
  return Error::FromErrno("KVM_KVMCLOCK_CTRL");
}

std::string DescribePosition(const Fd& vcpu_fd) {
  kvm_regs registers{};
  if (!Ioctl(vcpu_fd, KVM_GET_REGS, "KVM_GET_REGS", &registers)) return {};
  return Concat("rip ", Hex{registers.rip});
}

}  // namespace ember::kvm::arch
