#include "kvm/x86_64/cpuid_modifiers.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/concat.h"

namespace ember::kvm::x86_64 {
namespace {

constexpr uint32_t kVendorLeaf = 0;

uint32_t& Register(CpuidEntry& entry, CpuidRegister target) {
  switch (target) {
    case CpuidRegister::kEax:
      return entry.eax;
    case CpuidRegister::kEbx:
      return entry.ebx;
    case CpuidRegister::kEcx:
      return entry.ecx;
    case CpuidRegister::kEdx:
      break;
  }
  return entry.edx;
}

std::string_view Name(CpuidRegister target) {
  constexpr std::string_view kNames[] = {"eax", "ebx", "ecx", "edx"};
  return kNames[static_cast<size_t>(target)];
}

template <typename Entries>
auto Find(Entries& entries, const CpuidModifier& modifier) {
  return std::ranges::find_if(entries, [&modifier](const CpuidEntry& entry) {
    return entry.leaf == modifier.leaf && entry.subleaf == modifier.subleaf;
  });
}

bool SameVendor(const CpuidEntry& one, const CpuidEntry& other) {
  return one.ebx == other.ebx && one.ecx == other.ecx && one.edx == other.edx;
}

}  // namespace

Result<std::vector<CpuidEntry>> ApplyCpuidModifiers(std::vector<CpuidEntry> supported,
                                                    std::span<const CpuidModifier> modifiers) {
  for (const CpuidModifier& modifier : modifiers) {
    const auto entry = Find(supported, modifier);
    if (entry == supported.end()) {
      return Error(Concat("Template changes a CPUID entry not supported by KVM: Leaf: ",
                          Hex{modifier.leaf}, ", Subleaf: ", Hex{modifier.subleaf}));
    }
    const CpuidEntry before = *entry;
    entry->flags = modifier.flags;
    for (const auto& [target, bits] : modifier.registers) {
      uint32_t& word = Register(*entry, target);
      word = bits.Apply(word);
    }
    if (entry->leaf == kVendorLeaf && !SameVendor(before, *entry)) {
      return Error("cpuid_modifiers of leaf 0x0 make another vendor's processor of the host's");
    }
  }
  return supported;
}

std::vector<std::string> DescribeOverruled(std::span<const CpuidEntry> cpuid,
                                           std::span<const CpuidModifier> modifiers) {
  std::vector<std::string> sentences;
  for (const CpuidModifier& modifier : modifiers) {
    const auto found = Find(cpuid, modifier);
    for (const auto& [target, bits] : modifier.registers) {
      CpuidEntry entry = found == cpuid.end() ? CpuidEntry{} : *found;
      const uint32_t word = Register(entry, target);
      const uint32_t other = word ^ bits.Apply(word);
      if (other == 0) continue;
      sentences.push_back(Concat("cpuid_modifiers: leaf ", Hex{modifier.leaf}, " subleaf ",
                                 Hex{modifier.subleaf}, " ", Name(target), ": the bits ",
                                 Hex{other}, " are the machine's own and stay as they are"));
    }
  }
  return sentences;
}

}  // namespace ember::kvm::x86_64
