#include "kvm/x86_64/cpuid_modifiers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "kvm/x86_64/cpu_model.h"
#include "kvm/x86_64/cpu_templates.h"

namespace ember::kvm::x86_64 {
namespace {

using enum CpuidRegister;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr CpuidEntry kAmdVendor{
    .leaf = 0, .eax = 0x10, .ebx = 0x6874'7541, .ecx = 0x444d'4163, .edx = 0x6974'6e65};
constexpr CpuidEntry kIntelVendor{
    .leaf = 0, .eax = 0x16, .ebx = 0x756e'6547, .ecx = 0x6c65'746e, .edx = 0x4965'6e69};
constexpr uint32_t kAll = 0xffff'ffff;

// A processor with every feature there is.
std::vector<CpuidEntry> Everything(const CpuidEntry& vendor, uint32_t signature) {
  const auto full = [](uint32_t leaf, uint32_t subleaf) {
    return CpuidEntry{
        .leaf = leaf, .subleaf = subleaf, .eax = kAll, .ebx = kAll, .ecx = kAll, .edx = kAll};
  };
  std::vector<CpuidEntry> entries = {vendor};
  entries.push_back(full(0x1, 0));
  entries.back().eax = signature;
  for (const uint32_t subleaf : {0U, 1U}) entries.push_back(full(0x7, subleaf));
  for (const uint32_t subleaf : {0U, 1U}) entries.push_back(full(0xd, subleaf));
  entries.push_back(full(0x8000'0001, 0));
  entries.push_back(full(0x8000'0008, 0));
  return entries;
}

constexpr uint32_t kMilan = 0x00a0'0f11;
constexpr uint32_t kSkylake = 0x0005'0654;
constexpr uint32_t kCascadeLake = 0x0005'0657;

CpuidEntry Find(const std::vector<CpuidEntry>& entries, uint32_t leaf, uint32_t subleaf = 0) {
  const auto entry = std::ranges::find_if(entries, [=](const CpuidEntry& each) {
    return each.leaf == leaf && each.subleaf == subleaf;
  });
  EXPECT_NE(entry, entries.end());
  return entry == entries.end() ? CpuidEntry{} : *entry;
}

TEST(CpuidModifiersTest, ChangeTheRegistersTheyNameAndNothingElse) {
  const auto before = Everything(kAmdVendor, kMilan);
  const std::vector<CpuidModifier> modifiers = {
      {.leaf = 0x7,
       .subleaf = 1,
       .flags = kCpuidSubleafMatters,
       .registers = {{kEbx, {0xff, 0x12}}, {kEdx, {1, 0}}, {kEbx, {0xf00, 0x300}}}}};
  auto after = *ApplyCpuidModifiers(before, modifiers);
  const CpuidEntry changed = Find(after, 0x7, 1);
  EXPECT_EQ(changed.eax, kAll);
  EXPECT_EQ(changed.ebx, 0xffff'f312U);
  EXPECT_EQ(changed.edx, 0xffff'fffeU);
  EXPECT_EQ(changed.flags, kCpuidSubleafMatters);
  *std::ranges::find(after, changed) = Find(before, 0x7, 1);
  EXPECT_EQ(after, before);
}

TEST(CpuidModifiersTest, ALeafThatTheHostDoesNotHaveIsNamed) {
  const auto after = ApplyCpuidModifiers(Everything(kAmdVendor, kMilan),
                                         std::vector<CpuidModifier>{{.leaf = 0x1f}});
  ASSERT_FALSE(after);
  EXPECT_EQ(after.error().message(),
            "Template changes a CPUID entry not supported by KVM: Leaf: 0x1f, Subleaf: 0x0");
  EXPECT_FALSE(ApplyCpuidModifiers(Everything(kAmdVendor, kMilan),
                                   std::vector<CpuidModifier>{{.leaf = 0x1, .subleaf = 1}}));
}

TEST(CpuidModifiersTest, TheVendorStaysTheHosts) {
  const std::vector<CpuidModifier> other = {
      {.leaf = 0, .registers = {{kEbx, {kAll, kIntelVendor.ebx}}}}};
  EXPECT_FALSE(ApplyCpuidModifiers(Everything(kAmdVendor, kMilan), other));
  EXPECT_TRUE(ApplyCpuidModifiers(Everything(kIntelVendor, kSkylake), other));
}

TEST(CpuidModifiersTest, BitsThatAreTheMachinesOwnAreTold) {
  const std::vector<CpuidModifier> modifiers = {
      {.leaf = 0x1, .registers = {{kEcx, {1U << 31 | 1U << 12, 0}}, {kEdx, {1, 0}}}}};
  const auto changed = *ApplyCpuidModifiers(Everything(kAmdVendor, kMilan), modifiers);
  const auto cpuid = BuildCpuid(changed, {}, VcpuIndex{0});
  EXPECT_EQ(Find(cpuid, 0x1).ecx & (1U << 31 | 1U << 12), 1U << 31);
  EXPECT_THAT(DescribeOverruled(cpuid, modifiers),
              ElementsAre("cpuid_modifiers: leaf 0x1 subleaf 0x0 ecx: the bits 0x80000000 are the "
                          "machine's own and stay as they are"));
}

TEST(CpuTemplatesTest, AreForTheirVendorOnly) {
  using enum TemplateName;
  for (const TemplateName name : {kC3, kT2, kT2S, kT2CL}) {
    EXPECT_TRUE(TemplateModifiers(name, Everything(kIntelVendor, kCascadeLake)));
    const auto wrong = TemplateModifiers(name, Everything(kAmdVendor, kMilan));
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().message(),
              "CPU vendor mismatched between actual CPU and CPU template.");
  }
  EXPECT_TRUE(TemplateModifiers(kT2A, Everything(kAmdVendor, kMilan)));
  EXPECT_FALSE(TemplateModifiers(kT2A, Everything(kIntelVendor, kCascadeLake)));
}

TEST(CpuTemplatesTest, T2CLNeedsACascadeLake) {
  EXPECT_TRUE(TemplateModifiers(TemplateName::kT2CL, Everything(kIntelVendor, 0x0006'06a6)));
  const auto old = TemplateModifiers(TemplateName::kT2CL, Everything(kIntelVendor, kSkylake));
  ASSERT_FALSE(old);
  EXPECT_THAT(old.error().message(), HasSubstr("CPU model is not permitted"));
}

// What is left of a processor with everything.
std::vector<CpuidEntry> Templated(TemplateName name, const CpuidEntry& vendor, uint32_t signature) {
  const auto everything = Everything(vendor, signature);
  return *ApplyCpuidModifiers(everything, TemplateModifiers(name, everything)->cpuid);
}

TEST(CpuTemplatesTest, T2ATakesAwayWhatTheOthersDoNotHave) {
  const auto cpuid = Templated(TemplateName::kT2A, kAmdVendor, kMilan);
  EXPECT_EQ(Find(cpuid, 0x1).eax, 0x0003'06f2U);
  EXPECT_EQ(Find(cpuid, 0x1).ecx, ~0x0004'cdfcU);
  EXPECT_EQ(Find(cpuid, 0x7).ebx, 0x0010'27ebU);  // with AVX2, SMAP, ERMS; without AVX-512, SHA
  EXPECT_EQ(Find(cpuid, 0xd).eax, ~0x2f8U);
  EXPECT_EQ(Find(cpuid, 0xd, 1).eax, ~0xeU);
  EXPECT_EQ(Find(cpuid, 0x8000'0001).ecx, ~0x2000'01c4U);
  EXPECT_EQ(Find(cpuid, 0x8000'0008).ebx, ~0x0000'0201U);
}

TEST(CpuTemplatesTest, T2CLAndT2AOfferTheSameInstructions) {
  const auto intel = Templated(TemplateName::kT2CL, kIntelVendor, kCascadeLake);
  const auto amd = Templated(TemplateName::kT2A, kAmdVendor, kMilan);
  for (const uint32_t leaf : {0x1U, 0x7U, 0xdU}) EXPECT_EQ(Find(intel, leaf), Find(amd, leaf));
}

TEST(CpuTemplatesTest, C3IsAnIvyBridgeAndT2AHaswell) {
  const auto c3 = Templated(TemplateName::kC3, kIntelVendor, kCascadeLake);
  const auto t2 = Templated(TemplateName::kT2, kIntelVendor, kCascadeLake);
  constexpr uint32_t kAvx2 = 1U << 5;
  constexpr uint32_t kFma = 1U << 12;
  EXPECT_EQ(Find(c3, 0x1).eax, 0x0003'06e4U);
  EXPECT_EQ(Find(t2, 0x1).eax, 0x0003'06f2U);
  EXPECT_EQ(Find(c3, 0x7).ebx & kAvx2, 0U);
  EXPECT_EQ(Find(t2, 0x7).ebx & kAvx2, kAvx2);
  EXPECT_EQ(Find(c3, 0x1).ecx & kFma, 0U);
  EXPECT_EQ(Find(t2, 0x1).ecx & kFma, kFma);
}

TEST(CpuTemplatesTest, OnlyT2SAndT2CLSpeakOfSpeculation) {
  const auto host = Everything(kIntelVendor, kCascadeLake);
  EXPECT_TRUE(TemplateModifiers(TemplateName::kT2, host)->msrs.empty());
  EXPECT_TRUE(TemplateModifiers(TemplateName::kC3, host)->msrs.empty());
  const auto t2s = *TemplateModifiers(TemplateName::kT2S, host);
  ASSERT_EQ(t2s.msrs.size(), 1U);
  EXPECT_EQ(t2s.msrs[0].index, 0x10aU);
  EXPECT_EQ(t2s.msrs[0].bits.Apply(~uint64_t{0}), 0x0c0a'0c4cU);
  const auto t2cl = *TemplateModifiers(TemplateName::kT2CL, host);
  ASSERT_EQ(t2cl.msrs.size(), 1U);
  EXPECT_EQ(t2cl.msrs[0].bits.Apply(~uint64_t{0}), 0x1d0a'e1ffU);
}

}  // namespace
}  // namespace ember::kvm::x86_64
