#ifndef EMBER_KVM_X86_64_FPU_H_
#define EMBER_KVM_X86_64_FPU_H_

#include "base/result.h"
#include "kvm/vcpu.h"

namespace ember::kvm::x86_64 {

// Puts the x87 and SSE units into the state after FNINIT, all exceptions masked.
Status SetBootFpu(const Vcpu& vcpu);

}  // namespace ember::kvm::x86_64

#endif  // EMBER_KVM_X86_64_FPU_H_
