#ifndef EMBER_KVM_X86_64_CPUID_H_
#define EMBER_KVM_X86_64_CPUID_H_

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "kvm/system.h"
#include "kvm/vcpu.h"

namespace ember::kvm::x86_64 {

// One answer of the CPUID instruction. The layout is that of kvm_cpuid_entry2.
struct CpuidEntry {
  uint32_t leaf = 0;
  uint32_t subleaf = 0;
  uint32_t flags = 0;  // kCpuidSubleafMatters
  uint32_t eax = 0;
  uint32_t ebx = 0;
  uint32_t ecx = 0;
  uint32_t edx = 0;
  std::array<uint32_t, 3> reserved{};

  friend bool operator==(const CpuidEntry&, const CpuidEntry&) = default;
};
static_assert(sizeof(CpuidEntry) == 40);

// In CpuidEntry::flags: the entry answers for its subleaf alone (KVM_CPUID_FLAG_SIGNIFCANT_INDEX).
inline constexpr uint32_t kCpuidSubleafMatters = 1;

// All that this host can offer a guest. Slow (KVM runs CPUID for each leaf): read it once a
// process.
Result<std::vector<CpuidEntry>> ReadSupportedCpuid(const System& system);

// What the vCPU answers.
Result<std::vector<CpuidEntry>> ReadCpuid(const Vcpu& vcpu);
// What the vCPU answers from now on. Before its first run.
Status SetCpuid(const Vcpu& vcpu, std::span<const CpuidEntry> entries);

}  // namespace ember::kvm::x86_64

#endif  // EMBER_KVM_X86_64_CPUID_H_
