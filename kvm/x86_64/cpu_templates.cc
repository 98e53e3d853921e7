#include "kvm/x86_64/cpu_templates.h"

#include <algorithm>

#include "kvm/x86_64/cpu_model.h"

namespace ember::kvm::x86_64 {
namespace {

// One register's bits. Names of bits: Intel SDM, volume 2, CPUID; AMD64 APM, volume 3, appendix E.
struct Row {
  uint32_t leaf;
  uint32_t subleaf;
  uint32_t flags;
  CpuidRegister target;
  BitPattern<uint32_t> bits;
};

using enum CpuidRegister;

// T2, T2S, T2CL and T2A: a Haswell of model 63, stepping 2, without debug store, thermal monitors,
// virtualization, TSX, MPX, AVX-512, protection keys, SHA and what came after.
constexpr Row kT2Common[] = {
    {0x1, 0, 0, kEax, {0x0fff'3fff, 0x0003'06f2}},
    {0x1, 0, 0, kEcx, {0x0004'cdfc, 0}},
    {0x1, 0, 0, kEdx, {0xe864'1080, 0x0000'1080}},                     // with MCE and MTRR
    {0x7, 0, kCpuidSubleafMatters, kEbx, {0xffef'da14, 0x0000'0200}},  // with ERMS
    {0x7, 0, kCpuidSubleafMatters, kEcx, {0x4041'5f5e, 0}},
    {0x7, 0, kCpuidSubleafMatters, kEdx, {0x0000'011c, 0}},
    {0xd, 0, kCpuidSubleafMatters, kEax, {0x0000'02f8, 0}},  // no state of MPX, AVX-512, keys
    {0xd, 1, kCpuidSubleafMatters, kEax, {0x0000'000e, 0}},  // no XSAVEC, XGETBV, XSAVES
};
// T2 and T2S: without PREFETCHW, MONITORX, pages of 1 GiB and WBNOINVD.
constexpr Row kT2Intel[] = {
    {0x8000'0001, 0, 0, kEcx, {0x2000'0100, 0}},
    {0x8000'0001, 0, 0, kEdx, {0x0400'0000, 0}},
    {0x8000'0008, 0, 0, kEbx, {0x0000'0200, 0}},
};
// T2CL and T2A are to offer the same instructions on Intel and AMD: without SSE4A and its like.
constexpr Row kT2CascadeLake[] = {
    {0x8000'0001, 0, 0, kEcx, {0x2000'01c0, 0}},
    {0x8000'0001, 0, 0, kEdx, {0x07c0'0000, 0}},
    {0x8000'0008, 0, 0, kEbx, {0x0000'0200, 0}},
};
// And without SVM and CLZERO; error pointers are always restored, IBRS is preferred.
constexpr Row kT2Amd[] = {
    {0x8000'0001, 0, 0, kEcx, {0x2000'01c4, 0}},
    {0x8000'0001, 0, 0, kEdx, {0x0640'0000, 0}},
    {0x8000'0008, 0, 0, kEbx, {0x001c'0205, 0x001c'0004}},
};
// C3: an Ivy Bridge of model 62, stepping 4; so also without FMA, MOVBE, AVX2, BMI and LZCNT.
constexpr Row kC3[] = {
    {0x1, 0, 0, kEax, {0x0fff'3fff, 0x0003'06e4}},
    {0x1, 0, 0, kEcx, {0x0040'dd3c, 0}},
    {0x1, 0, 0, kEdx, {0xa864'1080, 0x0000'1080}},
    {0x7, 0, kCpuidSubleafMatters, kEbx, {0xffaf'dd3c, 0}},
    {0x7, 0, kCpuidSubleafMatters, kEcx, {0x4041'481e, 0}},
    {0x7, 0, kCpuidSubleafMatters, kEdx, {0x0000'000c, 0}},
    {0xd, 0, kCpuidSubleafMatters, kEax, {0x0000'02f8, 0}},
    {0xd, 1, kCpuidSubleafMatters, kEax, {0x0000'000e, 0}},
    {0x8000'0001, 0, 0, kEcx, {0x0000'0120, 0}},
    {0x8000'0001, 0, 0, kEdx, {0x0400'0000, 0}},
};

// IA32_ARCH_CAPABILITIES: which speculation attacks the processor withstands.
constexpr uint32_t kArchCapabilities = 0x10a;
// What Skylake and Cascade Lake have in common, whatever the host is.
constexpr MsrModifier kT2SCapabilities{kArchCapabilities, {~uint64_t{0}, 0x0c0a'0c4c}};
// The bits that are no protections are taken out, the others stay the host's.
constexpr MsrModifier kT2CLCapabilities{kArchCapabilities, {0xffff'ffff'e2f5'1e00, 0}};

// The first processor of the family that T2CL is made after, as CPUID 1, EAX has it.
constexpr uint32_t kCascadeLake = 0x0005'0657;

void Append(CpuModifiers& modifiers, std::span<const Row> rows) {
  for (const Row& row : rows) {
    modifiers.cpuid.push_back({.leaf = row.leaf,
                               .subleaf = row.subleaf,
                               .flags = row.flags,
                               .registers = {{.target = row.target, .bits = row.bits}}});
  }
}

CpuModifiers ModifiersOf(TemplateName name) {
  CpuModifiers modifiers;
  Append(modifiers, name == TemplateName::kC3 ? std::span<const Row>(kC3) : kT2Common);
  switch (name) {
    case TemplateName::kC3:
      break;
    case TemplateName::kT2S:
      modifiers.msrs.push_back(kT2SCapabilities);
      [[fallthrough]];
    case TemplateName::kT2:
      Append(modifiers, kT2Intel);
      break;
    case TemplateName::kT2CL:
      modifiers.msrs.push_back(kT2CLCapabilities);
      Append(modifiers, kT2CascadeLake);
      break;
    case TemplateName::kT2A:
      Append(modifiers, kT2Amd);
      break;
  }
  return modifiers;
}

// Family, model and stepping in the order of their weight; CPUID 1, EAX has reserved bits between.
uint32_t Signature(std::span<const CpuidEntry> supported) {
  const auto entry = std::ranges::find(supported, 0x1U, &CpuidEntry::leaf);
  if (entry == supported.end()) return 0;
  return entry->eax & 0x0fff'0fff;
}

}  // namespace

Result<CpuModifiers> TemplateModifiers(TemplateName name, std::span<const CpuidEntry> supported) {
  const Vendor vendor = DetectVendor(supported);
  if (vendor != (name == TemplateName::kT2A ? Vendor::kAmd : Vendor::kIntel)) {
    return Error("CPU vendor mismatched between actual CPU and CPU template.");
  }
  if (name == TemplateName::kT2CL && Signature(supported) < kCascadeLake) {
    return Error("The current CPU model is not permitted to apply the CPU template.");
  }
  return ModifiersOf(name);
}

}  // namespace ember::kvm::x86_64
