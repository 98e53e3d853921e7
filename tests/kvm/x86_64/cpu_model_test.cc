#include "kvm/x86_64/cpu_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <optional>
#include <set>
#include <string>

namespace ember::kvm::x86_64 {
namespace {

CpuidEntry Vendor(uint32_t max_leaf, const char (&name)[13]) {
  CpuidEntry entry{.leaf = 0, .eax = max_leaf};
  std::memcpy(&entry.ebx, name, 4);
  std::memcpy(&entry.edx, name + 4, 4);
  std::memcpy(&entry.ecx, name + 8, 4);
  return entry;
}

CpuidEntry All(uint32_t leaf, uint32_t subleaf = 0) {
  return {.leaf = leaf,
          .subleaf = subleaf,
          .flags = kCpuidSubleafMatters,
          .eax = 0xffff'ffff,
          .ebx = 0xffff'ffff,
          .ecx = 0xffff'ffff,
          .edx = 0xffff'ffff};
}

// Level and type as both vendors encode them, the rest the host's.
CpuidEntry Cache(uint32_t leaf, uint32_t subleaf, uint32_t level) {
  return {.leaf = leaf,
          .subleaf = subleaf,
          .flags = kCpuidSubleafMatters,
          .eax = 0xffff'c000 | (level << 5) | 1,
          .ebx = 0x01c0'003f,
          .ecx = 63};
}

std::vector<CpuidEntry> IntelHost() {
  return {Vendor(0x1f, "GenuineIntel"),
          CpuidEntry{.leaf = 1, .eax = 0x50654, .ebx = 0x77ff'0800, .ecx = 0x0100'8000},
          Cache(4, 0, 1),
          Cache(4, 1, 2),
          Cache(4, 2, 3),
          CpuidEntry{.leaf = 4, .subleaf = 3, .flags = kCpuidSubleafMatters},
          All(6),
          All(0xa),
          All(0xb, 0),
          All(0xb, 1),
          All(0x1f, 0),
          CpuidEntry{.leaf = 0x4000'0000, .eax = 0x4000'0001, .ebx = 0x4b4d564b},
          CpuidEntry{.leaf = 0x4000'0001, .eax = 0x0100'7efb},
          All(0x8000'0001),
          All(0x8000'0002),
          All(0x8000'0003),
          All(0x8000'0004),
          CpuidEntry{.leaf = 0x8000'0008, .eax = 0x302e}};
}

std::vector<CpuidEntry> AmdHost() {
  return {Vendor(0x10, "AuthenticAMD"),
          CpuidEntry{.leaf = 1, .eax = 0x800f12, .ebx = 0x77ff'0800},
          All(0xb, 0),
          All(0x8000'0001),
          All(0x8000'0002),
          All(0x8000'0003),
          All(0x8000'0004),
          CpuidEntry{.leaf = 0x8000'0008, .eax = 0x3030, .ecx = 0x703f},
          Cache(0x8000'001d, 0, 1),
          Cache(0x8000'001d, 1, 3),
          CpuidEntry{.leaf = 0x8000'001d, .subleaf = 2, .flags = kCpuidSubleafMatters},
          All(0x8000'001e),
          All(0x8000'0022),
          All(0x8000'0026)};
}

std::optional<CpuidEntry> Find(const std::vector<CpuidEntry>& entries, uint32_t leaf,
                               uint32_t subleaf = 0) {
  std::optional<CpuidEntry> found;
  for (const CpuidEntry& entry : entries) {
    if (entry.leaf != leaf || entry.subleaf != subleaf) continue;
    EXPECT_FALSE(found.has_value()) << "two answers for leaf " << leaf << '.' << subleaf;
    found = entry;
  }
  return found;
}

CpuidEntry Answer(const std::vector<CpuidEntry>& entries, uint32_t leaf, uint32_t subleaf = 0) {
  const std::optional<CpuidEntry> found = Find(entries, leaf, subleaf);
  EXPECT_TRUE(found.has_value()) << "no answer for leaf " << leaf << '.' << subleaf;
  return found.value_or(CpuidEntry{});
}

uint32_t Field(uint32_t word, uint32_t low, uint32_t width) {
  return (word >> low) & ((1U << width) - 1);
}

// The number of bits that hold `count` different ids.
uint32_t Bits(uint32_t count) { return static_cast<uint32_t>(std::bit_width(count - 1)); }

std::string Brand(const std::vector<CpuidEntry>& entries) {
  char text[49] = {};
  for (uint32_t part = 0; part < 3; ++part) {
    const CpuidEntry entry = Answer(entries, 0x8000'0002 + part);
    const uint32_t words[] = {entry.eax, entry.ebx, entry.ecx, entry.edx};
    std::memcpy(text + 16 * part, words, sizeof(words));
  }
  return text;
}

// Each legal shape of a machine: 1 to 32 vCPUs, and even counts in pairs of threads.
class CpuTopologyTest : public ::testing::TestWithParam<CpuTopology> {
 protected:
  std::vector<CpuidEntry> Build(const std::vector<CpuidEntry>& host, uint32_t index) const {
    return BuildCpuid(host, GetParam(), VcpuIndex{index});
  }
  uint32_t vcpus() const { return GetParam().vcpu_count; }
  uint32_t threads() const { return GetParam().threads_per_core; }
};

TEST_P(CpuTopologyTest, EveryLeafTellsTheSameApicIdWhichIsTheIndex) {
  for (uint32_t index = 0; index < vcpus(); ++index) {
    const std::vector<CpuidEntry> intel = Build(IntelHost(), index);
    EXPECT_EQ(Field(Answer(intel, 1).ebx, 24, 8), index);
    for (const uint32_t subleaf : {0U, 1U, 2U}) {
      EXPECT_EQ(Answer(intel, 0xb, subleaf).edx, index);
      EXPECT_EQ(Answer(intel, 0x1f, subleaf).edx, index);
    }
    EXPECT_EQ(Answer(Build(AmdHost(), index), 0x8000'001e).eax, index);
  }
}

TEST_P(CpuTopologyTest, ExtendedTopologyCountsThreadsAndVcpus) {
  const std::vector<CpuidEntry> entries = Build(IntelHost(), 0);
  for (const uint32_t leaf : {0xbU, 0x1fU}) {
    const CpuidEntry thread_level = Answer(entries, leaf, 0);
    EXPECT_EQ(thread_level.eax, Bits(threads()));
    EXPECT_EQ(thread_level.ebx, threads());
    EXPECT_EQ(thread_level.ecx, 0x100U);
    const CpuidEntry core_level = Answer(entries, leaf, 1);
    EXPECT_EQ(core_level.eax, Bits(vcpus()));
    EXPECT_EQ(core_level.ebx, vcpus());
    EXPECT_EQ(core_level.ecx, 0x201U);
    EXPECT_EQ(Answer(entries, leaf, 2).ebx, 0U);
  }
}

TEST_P(CpuTopologyTest, LegacyLeafCountsApicIdsAndKeepsTheRest) {
  const CpuidEntry entry = Answer(Build(IntelHost(), 0), 1);
  EXPECT_EQ(Field(entry.ebx, 16, 8), 1U << Bits(vcpus()));
  EXPECT_EQ(Field(entry.ebx, 0, 16), 0x0800U);
  EXPECT_EQ(Field(entry.edx, 28, 1), vcpus() > 1 ? 1U : 0U);
  EXPECT_EQ(entry.eax, 0x50654U);
}

TEST_P(CpuTopologyTest, InnerCachesBelongToACoreAndTheLastToThePackage) {
  const std::vector<CpuidEntry> intel = Build(IntelHost(), 0);
  EXPECT_EQ(Field(Answer(intel, 4, 0).eax, 14, 12), threads() - 1);
  EXPECT_EQ(Field(Answer(intel, 4, 1).eax, 14, 12), threads() - 1);
  EXPECT_EQ(Field(Answer(intel, 4, 2).eax, 14, 12), (1U << Bits(vcpus())) - 1);
  EXPECT_EQ(Answer(intel, 4, 3).eax, 0U);
  const uint32_t core_ids = 1U << (Bits(vcpus()) - Bits(threads()));
  EXPECT_EQ(Field(Answer(intel, 4, 0).eax, 26, 6), core_ids - 1);

  const std::vector<CpuidEntry> amd = Build(AmdHost(), 0);
  EXPECT_EQ(Field(Answer(amd, 0x8000'001d, 0).eax, 14, 12), threads() - 1);
  EXPECT_EQ(Field(Answer(amd, 0x8000'001d, 1).eax, 14, 12), (1U << Bits(vcpus())) - 1);
  EXPECT_EQ(Answer(amd, 0x8000'001d, 2).eax, 0U);
}

TEST_P(CpuTopologyTest, AmdLeavesCountVcpusAndNumberCores) {
  for (uint32_t index = 0; index < vcpus(); ++index) {
    const std::vector<CpuidEntry> entries = Build(AmdHost(), index);
    const CpuidEntry sizes = Answer(entries, 0x8000'0008);
    EXPECT_EQ(Field(sizes.ecx, 0, 8), vcpus() - 1);
    EXPECT_EQ(Field(sizes.ecx, 12, 4), Bits(vcpus()));
    EXPECT_EQ(sizes.eax, 0x3030U);
    const CpuidEntry unit = Answer(entries, 0x8000'001e);
    EXPECT_EQ(Field(unit.ebx, 0, 8), index / threads());
    EXPECT_EQ(Field(unit.ebx, 8, 8), threads() - 1);
    EXPECT_EQ(unit.ecx, 0U);
    EXPECT_EQ(Field(Answer(entries, 0x8000'0001).ecx, 1, 1), vcpus() > 1 ? 1U : 0U);
  }
}

std::vector<CpuTopology> Shapes() {
  std::vector<CpuTopology> shapes;
  for (uint32_t count = 1; count <= 32; ++count) {
    shapes.push_back({.vcpu_count = count, .threads_per_core = 1});
    if (count % 2 == 0) shapes.push_back({.vcpu_count = count, .threads_per_core = 2});
  }
  return shapes;
}

INSTANTIATE_TEST_SUITE_P(Shapes, CpuTopologyTest, ::testing::ValuesIn(Shapes()),
                         [](const auto& shape) {
                           return std::to_string(shape.param.vcpu_count) + "Vcpus" +
                                  std::to_string(shape.param.threads_per_core) + "Threads";
                         });

TEST(CpuModelTest, TheGuestIsToldOfTheHypervisor) {
  const std::vector<CpuidEntry> entries = BuildCpuid(IntelHost(), {}, VcpuIndex{0});
  EXPECT_EQ(Field(Answer(entries, 1).ecx, 31, 1), 1U);
  EXPECT_EQ(Answer(entries, 0x4000'0000).ebx, 0x4b4d'564bU);
  EXPECT_EQ(Answer(entries, 0x4000'0001).eax, 0x0100'7efbU);
}

TEST(CpuModelTest, TheDeadlineTimerStaysAndPerformanceCountersGo) {
  const std::vector<CpuidEntry> intel = BuildCpuid(IntelHost(), {}, VcpuIndex{0});
  EXPECT_EQ(Field(Answer(intel, 1).ecx, 24, 1), 1U);
  EXPECT_EQ(Field(Answer(intel, 1).ecx, 15, 1), 0U);
  EXPECT_EQ(Answer(intel, 0xa).eax, 0U);
  const std::vector<CpuidEntry> amd = BuildCpuid(AmdHost(), {}, VcpuIndex{0});
  EXPECT_EQ(Field(Answer(amd, 0x8000'0001).ecx, 23, 1), 0U);
  EXPECT_EQ(Answer(amd, 0x8000'0022).eax, 0U);
}

TEST(CpuModelTest, OfPowerManagementOnlyTheSteadyTimerIsLeft) {
  const CpuidEntry power = Answer(BuildCpuid(IntelHost(), {}, VcpuIndex{0}), 6);
  EXPECT_EQ(power.eax, 1U << 2);
  EXPECT_EQ(power.ebx | power.ecx | power.edx, 0U);
}

TEST(CpuModelTest, TheBrandTellsTheVendorAlone) {
  EXPECT_EQ(Brand(BuildCpuid(IntelHost(), {}, VcpuIndex{0})), "Intel(R) Xeon(R) Processor");
  EXPECT_EQ(Brand(BuildCpuid(AmdHost(), {}, VcpuIndex{0})), "AMD EPYC Processor");
}

TEST(CpuModelTest, AnUnknownVendorsBrandIsKept) {
  std::vector<CpuidEntry> host = IntelHost();
  host[0] = Vendor(0x1f, "CentaurHauls");
  EXPECT_EQ(Answer(BuildCpuid(host, {}, VcpuIndex{0}), 0x8000'0002).eax, 0xffff'ffffU);
}

TEST(CpuModelTest, TopologyLeavesBeyondTheHostsLastAreNotInvented) {
  const std::vector<CpuidEntry> entries = BuildCpuid(AmdHost(), {}, VcpuIndex{0});
  EXPECT_TRUE(Find(entries, 0xb, 0).has_value());
  EXPECT_FALSE(Find(entries, 0x1f, 0).has_value());
  std::vector<CpuidEntry> old_host = AmdHost();
  old_host[0].eax = 0xa;
  EXPECT_FALSE(Find(BuildCpuid(old_host, {}, VcpuIndex{0}), 0xb, 0).has_value());
}

TEST(CpuModelTest, TheHostsOwnTopologyDoesNotLeak) {
  EXPECT_FALSE(Find(BuildCpuid(AmdHost(), {}, VcpuIndex{0}), 0x8000'0026).has_value());
}

TEST(CpuModelTest, AnEmptyHostGivesAnEmptyModel) {
  EXPECT_THAT(BuildCpuid({}, {.vcpu_count = 2}, VcpuIndex{1}), ::testing::IsEmpty());
}

}  // namespace
}  // namespace ember::kvm::x86_64
