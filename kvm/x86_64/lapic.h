#ifndef EMBER_KVM_X86_64_LAPIC_H_
#define EMBER_KVM_X86_64_LAPIC_H_

#include "base/result.h"
#include "kvm/vcpu.h"

namespace ember::kvm::x86_64 {

// Wires the local APIC's two pins as firmware leaves them: LINT0 takes the 8259's interrupts
// (ExtINT), LINT1 is the NMI (MultiProcessor Specification 1.4, 3.6.2). For the boot vCPU: the
// start-up message resets those of the others.
Status SetLocalInterruptPins(const Vcpu& vcpu);

}  // namespace ember::kvm::x86_64

#endif  // EMBER_KVM_X86_64_LAPIC_H_
