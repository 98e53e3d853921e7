#ifndef EMBER_KVM_X86_64_CPU_MODEL_H_
#define EMBER_KVM_X86_64_CPU_MODEL_H_

#include <cstdint>
#include <span>
#include <vector>

#include "kvm/vcpu.h"
#include "kvm/x86_64/cpuid.h"

namespace ember::kvm::x86_64 {

// How the machine's vCPUs make up its one package. APIC ids are vCPU indices, so that the two
// threads of a core are neighbours: 0 and 1, 2 and 3, ….
struct CpuTopology {
  uint32_t vcpu_count = 1;
  uint32_t threads_per_core = 1;  // 1 or 2; vcpu_count is a multiple of it
};

// The APIC id of a vCPU, which KVM fixes.
constexpr uint32_t ApicId(VcpuIndex index) { return static_cast<uint32_t>(index); }

enum class Vendor : uint8_t { kIntel, kAmd, kOther };
// Whose processor answers so.
Vendor DetectVendor(std::span<const CpuidEntry> supported);

// What one vCPU answers to CPUID: what the host supports, with the topology of the guest in place
// of the host's, a brand string that does not tell hosts of one vendor apart, and without what a
// guest could only misuse (performance counters, thermal and power control). Pure.
std::vector<CpuidEntry> BuildCpuid(std::span<const CpuidEntry> supported,
                                   const CpuTopology& topology, VcpuIndex index);

}  // namespace ember::kvm::x86_64

#endif  // EMBER_KVM_X86_64_CPU_MODEL_H_
