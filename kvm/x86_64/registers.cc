#include "kvm/x86_64/registers.h"

#include "kvm/ioctl.h"

namespace ember::kvm::x86_64 {

Result<kvm_regs> ReadRegisters(const Vcpu& vcpu) {
  kvm_regs registers{};
  TRY(Ioctl(vcpu.fd(), KVM_GET_REGS, "KVM_GET_REGS", &registers));
  return registers;
}

Status WriteRegisters(const Vcpu& vcpu, kvm_regs registers) {
  TRY(Ioctl(vcpu.fd(), KVM_SET_REGS, "KVM_SET_REGS", &registers));
  return {};
}

Result<kvm_sregs> ReadSystemRegisters(const Vcpu& vcpu) {
  kvm_sregs registers{};
  TRY(Ioctl(vcpu.fd(), KVM_GET_SREGS, "KVM_GET_SREGS", &registers));
  return registers;
}

Status WriteSystemRegisters(const Vcpu& vcpu, kvm_sregs registers) {
  TRY(Ioctl(vcpu.fd(), KVM_SET_SREGS, "KVM_SET_SREGS", &registers));
  return {};
}

}  // namespace ember::kvm::x86_64
