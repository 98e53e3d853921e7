#ifndef EMBER_KVM_X86_64_STATE_PART_H_
#define EMBER_KVM_X86_64_STATE_PART_H_

#include <cstddef>
#include <span>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "kvm/saved_state.h"

// What saving and restoring vCPUs and machines have in common.
namespace ember::kvm::x86_64 {

// A structure of fixed size that one request reads and another writes.
struct StructurePart {
  std::string_view name;  // in a saved state
  size_t size_bytes = 0;
  unsigned long get = 0;
  std::string_view get_name;  // of the request
  unsigned long set = 0;
  std::string_view set_name;
};

Result<StatePart> Save(const Fd& fd, const StructurePart& part);
Status Restore(const Fd& fd, const StructurePart& part, const StateParts& saved);

// The bytes of a part; the error names it where it is missing.
Result<std::span<const std::byte>> Find(const StateParts& saved, std::string_view name);
bool Has(const StateParts& saved, std::string_view name);
// Fails for a part of the wrong size.
Status CheckSize(std::string_view name, size_t actual_bytes, size_t wanted_bytes);
// Fails for a part that is not one of `known` or is there twice.
Status CheckNames(const StateParts& saved, std::span<const std::string_view> known);

}  // namespace ember::kvm::x86_64

#endif  // EMBER_KVM_X86_64_STATE_PART_H_
