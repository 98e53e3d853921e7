#include "kvm/x86_64/fpu.h"

#include <linux/kvm.h>

#include "kvm/ioctl.h"

namespace ember::kvm::x86_64 {
namespace {

// AMD64 Architecture Programmer's Manual, volume 5, FNINIT; volume 1, 4.2.2.
constexpr uint16_t kControlWordAfterInit = 0x37f;
constexpr uint32_t kMxcsrAfterReset = 0x1f80;

}  // namespace

Status SetBootFpu(const Vcpu& vcpu) {
  kvm_fpu state{};
  state.fcw = kControlWordAfterInit;
  state.mxcsr = kMxcsrAfterReset;
  TRY(Ioctl(vcpu.fd(), KVM_SET_FPU, "KVM_SET_FPU", &state));
  return {};
}

}  // namespace ember::kvm::x86_64
