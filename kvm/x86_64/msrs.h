#ifndef EMBER_KVM_X86_64_MSRS_H_
#define EMBER_KVM_X86_64_MSRS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "kvm/cpu_modifiers.h"
#include "kvm/system.h"
#include "kvm/vcpu.h"

// Model-specific registers.
namespace ember::kvm::x86_64 {

// The numbers of the registers that make up a vCPU's state on this host.
Result<std::vector<uint32_t>> ReadMsrIndices(const System& system);
// Puts the registers that a kernel expects firmware to have set up into their state at boot. After
// SetCpuid(). The error names the register that KVM refused.
Status SetBootMsrs(const Vcpu& vcpu);
// Changes registers from what they are. After SetCpuid(), before SetBootMsrs(), whose registers are
// the kernel's due. The error names the register that KVM does not know or does not let be so.
Status ModifyMsrs(const Vcpu& vcpu, std::span<const MsrModifier> modifiers);

}  // namespace ember::kvm::x86_64

#endif  // EMBER_KVM_X86_64_MSRS_H_
