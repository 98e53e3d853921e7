#ifndef EMBER_KVM_X86_64_VCPU_SETUP_H_
#define EMBER_KVM_X86_64_VCPU_SETUP_H_

#include <span>

#include "base/result.h"
#include "kvm/cpu_modifiers.h"
#include "kvm/vcpu.h"
#include "kvm/x86_64/cpu_model.h"
#include "kvm/x86_64/cpuid.h"

namespace ember::kvm::x86_64 {

// Brings a new vCPU into the state that firmware would leave it in, all but the entry point
// (kvm/x86_64/entry.h, for the boot vCPU only): CPUID, MSRs, FPU and the boot vCPU's local APIC.
// `supported` is of ReadSupportedCpuid(), perhaps changed by ApplyCpuidModifiers(). Errors name the
// vCPU.
Status SetUpVcpu(const Vcpu& vcpu, std::span<const CpuidEntry> supported,
                 const CpuTopology& topology, std::span<const MsrModifier> msr_modifiers = {});

}  // namespace ember::kvm::x86_64

#endif  // EMBER_KVM_X86_64_VCPU_SETUP_H_
