#include "kvm/x86_64/lapic.h"

#include <linux/kvm.h>

#include <cstdint>
#include <span>

#include "base/endian.h"
#include "kvm/ioctl.h"

namespace ember::kvm::x86_64 {
namespace {

// AMD64 Architecture Programmer's Manual, volume 2, 16.4. A pin's register: the delivery mode, edge
// triggered, not masked.
constexpr size_t kLint0Offset = 0x350;
constexpr size_t kLint1Offset = 0x360;
constexpr uint32_t kDeliverNmi = 4U << 8;
constexpr uint32_t kDeliverExternal = 7U << 8;

}  // namespace

Status SetLocalInterruptPins(const Vcpu& vcpu) {
  kvm_lapic_state state{};
  TRY(Ioctl(vcpu.fd(), KVM_GET_LAPIC, "KVM_GET_LAPIC", &state));
  const std::span<std::byte> registers = std::as_writable_bytes(std::span(state.regs));
  StoreLe<uint32_t>(kDeliverExternal, registers.subspan(kLint0Offset));
  StoreLe<uint32_t>(kDeliverNmi, registers.subspan(kLint1Offset));
  TRY(Ioctl(vcpu.fd(), KVM_SET_LAPIC, "KVM_SET_LAPIC", &state));
  return {};
}

}  // namespace ember::kvm::x86_64
