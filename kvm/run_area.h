#ifndef EMBER_KVM_RUN_AREA_H_
#define EMBER_KVM_RUN_AREA_H_

#include <cstddef>
#include <cstdint>
#include <span>

struct kvm_run;

namespace ember::kvm {

// A view of the area that a vCPU and KVM share: a kvm_run and, behind it, the data of port
// accesses. KVM fills it when KVM_RUN returns and reads our answers from it at the next KVM_RUN, so
// it belongs to the vCPU's thread. Borrows the bytes.
class RunArea {
 public:
  // `bytes` are aligned for kvm_run and at least as many.
  explicit RunArea(std::span<std::byte> bytes);

  kvm_run& header() const { return *header_; }
  // A part of the area; empty if it is not wholly inside.
  std::span<std::byte> Slice(uint64_t offset, uint64_t len) const {
    if (offset > bytes_.size() || len > bytes_.size() - offset) return {};
    return bytes_.subspan(offset, len);
  }

 private:
  std::span<std::byte> bytes_;
  kvm_run* header_;
};

}  // namespace ember::kvm

#endif  // EMBER_KVM_RUN_AREA_H_
