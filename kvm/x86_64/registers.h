#ifndef EMBER_KVM_X86_64_REGISTERS_H_
#define EMBER_KVM_X86_64_REGISTERS_H_

#include <linux/kvm.h>

#include "base/result.h"
#include "kvm/vcpu.h"

// The registers of a vCPU that does not run, as KVM has them.
namespace ember::kvm::x86_64 {

Result<kvm_regs> ReadRegisters(const Vcpu& vcpu);
Status WriteRegisters(const Vcpu& vcpu, kvm_regs registers);
// Segments, control registers, EFER and the APIC base.
Result<kvm_sregs> ReadSystemRegisters(const Vcpu& vcpu);
Status WriteSystemRegisters(const Vcpu& vcpu, kvm_sregs registers);

}  // namespace ember::kvm::x86_64

#endif  // EMBER_KVM_X86_64_REGISTERS_H_
