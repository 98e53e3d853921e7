#ifndef EMBER_KVM_X86_64_STATE_MSRS_H_
#define EMBER_KVM_X86_64_STATE_MSRS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "kvm/system.h"
#include "kvm/vcpu.h"

// The model-specific registers of a vCPU that is saved or restored.
namespace ember::kvm::x86_64 {

struct MsrValue {
  uint32_t index = 0;
  uint64_t data = 0;

  friend bool operator==(const MsrValue&, const MsrValue&) = default;
};
// One of them in a saved state: the two, little-endian.
inline constexpr size_t kMsrRecordBytes = 12;

// The numbers of those that hold state: what KVM lists, and the memory type ranges and machine
// check banks, which it leaves out.
Result<std::vector<uint32_t>> ReadStateMsrIndices(const System& system);
// The values of those that the vCPU has, in the order of `indices`.
Result<std::vector<MsrValue>> ReadMsrs(const Vcpu& vcpu, std::span<const uint32_t> indices);

// Those that decide whether the guest may run guests: before the state of these.
Status WriteNestingMsrs(const Vcpu& vcpu, std::span<const MsrValue> values);
// All, in an order that loses nothing, whatever theirs is. The local APIC is restored already. The
// error names the register that KVM does not let be so; one that cannot be written but has the
// value already is as good as written.
Status WriteStateMsrs(const Vcpu& vcpu, std::span<const MsrValue> values);

}  // namespace ember::kvm::x86_64

#endif  // EMBER_KVM_X86_64_STATE_MSRS_H_
