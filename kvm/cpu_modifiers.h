#ifndef EMBER_KVM_CPU_MODIFIERS_H_
#define EMBER_KVM_CPU_MODIFIERS_H_

#include <concepts>
#include <cstdint>
#include <vector>

// What a client changes about a machine's processors, as plain data. Which of it means something is
// the architecture's matter: CPUID and MSRs are x86-64's.
namespace ember::kvm {

// Some bits of a register, and what they are to be.
template <std::unsigned_integral T>
struct BitPattern {
  T mask = 0;   // the bits that are set to `value`'s
  T value = 0;  // 0 outside the mask

  constexpr T Apply(T word) const { return static_cast<T>((word & ~mask) | value); }
  friend bool operator==(const BitPattern&, const BitPattern&) = default;
};

enum class CpuidRegister : uint8_t { kEax, kEbx, kEcx, kEdx };

struct CpuidRegisterModifier {
  CpuidRegister target = CpuidRegister::kEax;
  BitPattern<uint32_t> bits;

  friend bool operator==(const CpuidRegisterModifier&, const CpuidRegisterModifier&) = default;
};

// Changes one answer of the CPUID instruction, in this order.
struct CpuidModifier {
  uint32_t leaf = 0;
  uint32_t subleaf = 0;
  uint32_t flags = 0;  // KVM_CPUID_FLAG_…, in place of those that KVM gives
  std::vector<CpuidRegisterModifier> registers;

  friend bool operator==(const CpuidModifier&, const CpuidModifier&) = default;
};

// Changes a model-specific register from what KVM starts it with.
struct MsrModifier {
  uint32_t index = 0;
  BitPattern<uint64_t> bits;

  friend bool operator==(const MsrModifier&, const MsrModifier&) = default;
};

struct CpuModifiers {
  std::vector<CpuidModifier> cpuid;
  std::vector<MsrModifier> msrs;

  friend bool operator==(const CpuModifiers&, const CpuModifiers&) = default;
};

// A KVM_CAP_… that a host must have beside what every machine needs, or need not have.
struct CapabilityModifier {
  int number = 0;
  bool needed = true;

  friend bool operator==(const CapabilityModifier&, const CapabilityModifier&) = default;
};

}  // namespace ember::kvm

#endif  // EMBER_KVM_CPU_MODIFIERS_H_
