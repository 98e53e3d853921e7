#include "kvm/x86_64/cpuid.h"

#include <linux/kvm.h>

#include <algorithm>
#include <bit>
#include <memory>

#include "base/concat.h"
#include "kvm/ioctl.h"
#include "kvm/x86_64/abi.h"

namespace ember::kvm::x86_64 {
namespace {

static_assert(kCpuidSubleafMatters == KVM_CPUID_FLAG_SIGNIFCANT_INDEX);

constexpr uint32_t kTscDeadlineBit = 1U << 24;  // CPUID 1, ECX

}  // namespace

Result<std::vector<CpuidEntry>> ReadSupportedCpuid(const System& system) {
  const auto buffer = std::make_unique<abi::CpuidBuffer>();
  buffer->header.entry_count = static_cast<uint32_t>(buffer->entries.size());
  TRY(Ioctl(system.fd(), abi::kGetSupportedCpuid, "KVM_GET_SUPPORTED_CPUID", buffer.get()));

  // Its own capability, because it exists only with the interrupt controllers in the kernel.
  const bool has_tsc_deadline = TRY(system.QueryCapability(KVM_CAP_TSC_DEADLINE_TIMER)) > 0;
  const size_t count = std::min<size_t>(buffer->header.entry_count, buffer->entries.size());
  std::vector<CpuidEntry> entries;
  entries.reserve(count);
  for (const kvm_cpuid_entry2& raw : std::span(buffer->entries).first(count)) {
    CpuidEntry& entry = entries.emplace_back(std::bit_cast<CpuidEntry>(raw));
    if (entry.leaf == 1 && has_tsc_deadline) entry.ecx |= kTscDeadlineBit;
  }
  return entries;
}

Result<std::vector<CpuidEntry>> ReadCpuid(const Vcpu& vcpu) {
  const auto buffer = std::make_unique<abi::CpuidBuffer>();
  buffer->header.entry_count = static_cast<uint32_t>(buffer->entries.size());
  TRY(Ioctl(vcpu.fd(), abi::kGetCpuid2, "KVM_GET_CPUID2", buffer.get()));
  const size_t count = std::min<size_t>(buffer->header.entry_count, buffer->entries.size());
  std::vector<CpuidEntry> entries(count);
  std::ranges::transform(
      std::span(buffer->entries).first(count), entries.begin(),
      [](const kvm_cpuid_entry2& raw) { return std::bit_cast<CpuidEntry>(raw); });
  return entries;
}

Status SetCpuid(const Vcpu& vcpu, std::span<const CpuidEntry> entries) {
  const auto buffer = std::make_unique<abi::CpuidBuffer>();
  if (entries.size() > buffer->entries.size()) {
    return Error(
        Concat("CPUID has ", entries.size(), " entries, more than KVM's ", buffer->entries.size()));
  }
  buffer->header.entry_count = static_cast<uint32_t>(entries.size());
  std::ranges::transform(entries, buffer->entries.begin(), [](const CpuidEntry& entry) {
    return std::bit_cast<kvm_cpuid_entry2>(entry);
  });
  TRY(Ioctl(vcpu.fd(), abi::kSetCpuid2, "KVM_SET_CPUID2", buffer.get()));
  return {};
}

}  // namespace ember::kvm::x86_64
