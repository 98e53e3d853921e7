#ifndef EMBER_KVM_X86_64_CPUID_MODIFIERS_H_
#define EMBER_KVM_X86_64_CPUID_MODIFIERS_H_

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "kvm/cpu_modifiers.h"
#include "kvm/x86_64/cpuid.h"

// Changing what vCPUs answer to CPUID. Pure.
namespace ember::kvm::x86_64 {

// `supported` with the changes made to it. Fails where it has no such leaf and subleaf, or would
// come to be of another vendor.
Result<std::vector<CpuidEntry>> ApplyCpuidModifiers(std::vector<CpuidEntry> supported,
                                                    std::span<const CpuidModifier> modifiers);

// One sentence for each register that a modifier wanted otherwise than `cpuid` has it in the end,
// because BuildCpuid() makes the bits the machine's own.
std::vector<std::string> DescribeOverruled(std::span<const CpuidEntry> cpuid,
                                           std::span<const CpuidModifier> modifiers);

}  // namespace ember::kvm::x86_64

#endif  // EMBER_KVM_X86_64_CPUID_MODIFIERS_H_
