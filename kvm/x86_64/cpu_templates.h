#ifndef EMBER_KVM_X86_64_CPU_TEMPLATES_H_
#define EMBER_KVM_X86_64_CPU_TEMPLATES_H_

#include <cstdint>
#include <span>

#include "base/result.h"
#include "kvm/cpu_modifiers.h"
#include "kvm/x86_64/cpuid.h"

namespace ember::kvm::x86_64 {

// The templates of the API's contract, by which processors of one vendor look alike to guests.
enum class TemplateName : uint8_t { kC3, kT2, kT2S, kT2CL, kT2A };

// What the template changes. Fails where the host's processor, whose CPUID is `supported`, cannot
// be shown as it: of the other vendor, or older.
Result<CpuModifiers> TemplateModifiers(TemplateName name, std::span<const CpuidEntry> supported);

}  // namespace ember::kvm::x86_64

#endif  // EMBER_KVM_X86_64_CPU_TEMPLATES_H_
