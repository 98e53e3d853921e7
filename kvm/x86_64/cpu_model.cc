#include "kvm/x86_64/cpu_model.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string_view>

namespace ember::kvm::x86_64 {
namespace {

// Leaves: Intel SDM, volume 2, CPUID; AMD64 Architecture Programmer's Manual, volume 3, appendix E.
enum Leaf : uint32_t {
  kVendorLeaf = 0x0,
  kFeaturesLeaf = 0x1,
  kIntelCacheLeaf = 0x4,
  kPowerLeaf = 0x6,
  kPerformanceLeaf = 0xa,
  kTopologyLeaf = 0xb,
  kTopologyV2Leaf = 0x1f,
  kExtendedFeaturesLeaf = 0x8000'0001,
  kFirstBrandLeaf = 0x8000'0002,
  kLastBrandLeaf = 0x8000'0004,
  kAddressSizesLeaf = 0x8000'0008,
  kAmdCacheLeaf = 0x8000'001d,
  kAmdTopologyLeaf = 0x8000'001e,
  kAmdPerformanceLeaf = 0x8000'0022,
  kAmdTopologyV2Leaf = 0x8000'0026,
};

// kFeaturesLeaf.
constexpr uint32_t kPerformanceMsrBit = 1U << 15;  // ECX: PDCM
constexpr uint32_t kHypervisorBit = 1U << 31;      // ECX
constexpr uint32_t kManyProcessorsBit = 1U << 28;  // EDX: HTT
// kPowerLeaf.
constexpr uint32_t kSteadyApicTimerBit = 1U << 2;  // EAX: ARAT
// kExtendedFeaturesLeaf, ECX, AMD.
constexpr uint32_t kAmdManyCoresBit = 1U << 1;  // CmpLegacy
constexpr uint32_t kAmdPerformanceBits = (1U << 23) | (1U << 24) | (1U << 27) | (1U << 28);

constexpr uint32_t kThreadLevel = 1;
constexpr uint32_t kCoreLevel = 2;

// One vCPU's place, with the widths of the fields of its APIC id.
struct Place {
  Vendor vendor;
  uint32_t apic_id;
  uint32_t vcpu_count;
  uint32_t threads_per_core;
  uint32_t thread_bits;   // of the thread within its core
  uint32_t package_bits;  // of the thread within the package
};

// Puts `value` into the bits [low, low + width).
uint32_t WithField(uint32_t word, uint32_t low, uint32_t width, uint32_t value) {
  const uint32_t mask = ((1U << width) - 1) << low;
  return (word & ~mask) | ((value << low) & mask);
}

Place MakePlace(Vendor vendor, const CpuTopology& topology, VcpuIndex index) {
  const auto bits_for = [](uint32_t count) {
    return static_cast<uint32_t>(std::bit_width(count - 1));
  };
  return {.vendor = vendor,
          .apic_id = ApicId(index),
          .vcpu_count = topology.vcpu_count,
          .threads_per_core = topology.threads_per_core,
          .thread_bits = bits_for(topology.threads_per_core),
          .package_bits = bits_for(topology.vcpu_count)};
}

void AdjustFeatures(CpuidEntry& entry, const Place& place) {
  entry.ebx = WithField(entry.ebx, 24, 8, place.apic_id);
  entry.ebx = WithField(entry.ebx, 16, 8, 1U << place.package_bits);
  entry.ecx = (entry.ecx & ~kPerformanceMsrBit) | kHypervisorBit;
  entry.edx &= ~kManyProcessorsBit;
  if (place.vcpu_count > 1) entry.edx |= kManyProcessorsBit;
}

// Both vendors: how many APIC ids share this cache. The first two levels belong to a core.
void AdjustCacheSharing(CpuidEntry& entry, const Place& place) {
  const uint32_t type = entry.eax & 0x1f;
  if (type == 0) return;  // past the last cache
  const uint32_t level = (entry.eax >> 5) & 0x7;
  const uint32_t sharing_bits = level <= 2 ? place.thread_bits : place.package_bits;
  entry.eax = WithField(entry.eax, 14, 12, (1U << sharing_bits) - 1);
}

void AdjustIntelCache(CpuidEntry& entry, const Place& place) {
  AdjustCacheSharing(entry, place);
  if ((entry.eax & 0x1f) == 0) return;
  const uint32_t core_ids = 1U << (place.package_bits - place.thread_bits);
  entry.eax = WithField(entry.eax, 26, 6, core_ids - 1);
}

void AdjustExtendedFeatures(CpuidEntry& entry, const Place& place) {
  if (place.vendor != Vendor::kAmd) return;
  entry.ecx &= ~(kAmdPerformanceBits | kAmdManyCoresBit);
  if (place.vcpu_count > 1) entry.ecx |= kAmdManyCoresBit;
}

void AdjustAddressSizes(CpuidEntry& entry, const Place& place) {
  if (place.vendor != Vendor::kAmd) return;
  entry.ecx = WithField(entry.ecx, 0, 8, place.vcpu_count - 1);
  entry.ecx = WithField(entry.ecx, 12, 4, place.package_bits);
}

void AdjustAmdTopology(CpuidEntry& entry, const Place& place) {
  const uint32_t core_id = place.apic_id >> place.thread_bits;
  entry.eax = place.apic_id;
  entry.ebx = core_id | ((place.threads_per_core - 1) << 8);
  entry.ecx = 0;  // node 0 of 1
  entry.edx = 0;
}

void ClearAnswer(CpuidEntry& entry) { entry.eax = entry.ebx = entry.ecx = entry.edx = 0; }

void SetBrand(CpuidEntry& entry, Vendor vendor) {
  if (vendor == Vendor::kOther) return;
  const std::string_view name =
      vendor == Vendor::kIntel ? "Intel(R) Xeon(R) Processor" : "AMD EPYC Processor";
  // 48 bytes over three leaves, padded with zeros.
  std::array<std::array<uint32_t, 4>, 3> words{};
  static_assert(sizeof(words) == 48);
  std::memcpy(&words, name.data(), name.size());
  const std::array<uint32_t, 4>& part = words[entry.leaf - kFirstBrandLeaf];
  entry.eax = part[0];
  entry.ebx = part[1];
  entry.ecx = part[2];
  entry.edx = part[3];
}

void Adjust(CpuidEntry& entry, const Place& place) {
  switch (entry.leaf) {
    case kFeaturesLeaf:
      return AdjustFeatures(entry, place);
    case kIntelCacheLeaf:
      return AdjustIntelCache(entry, place);
    case kPowerLeaf:
      entry.eax &= kSteadyApicTimerBit;
      entry.ebx = entry.ecx = entry.edx = 0;
      return;
    case kPerformanceLeaf:
    case kAmdPerformanceLeaf:
      return ClearAnswer(entry);
    case kExtendedFeaturesLeaf:
      return AdjustExtendedFeatures(entry, place);
    case kFirstBrandLeaf:
    case kFirstBrandLeaf + 1:
    case kLastBrandLeaf:
      return SetBrand(entry, place.vendor);
    case kAddressSizesLeaf:
      return AdjustAddressSizes(entry, place);
    case kAmdCacheLeaf:
      return AdjustCacheSharing(entry, place);
    case kAmdTopologyLeaf:
      return AdjustAmdTopology(entry, place);
    default:
      return;  // features, which do not depend on the vCPU
  }
}

// Leaves whose answers describe the host's topology and are built anew, or left out.
bool IsHostTopology(uint32_t leaf) {
  return leaf == kTopologyLeaf || leaf == kTopologyV2Leaf || leaf == kAmdTopologyV2Leaf;
}

void AppendTopology(std::vector<CpuidEntry>& entries, uint32_t leaf, const Place& place) {
  const CpuidEntry level{.leaf = leaf, .flags = kCpuidSubleafMatters, .edx = place.apic_id};
  CpuidEntry& threads = entries.emplace_back(level);
  threads.eax = place.thread_bits;
  threads.ebx = place.threads_per_core;
  threads.ecx = kThreadLevel << 8;
  CpuidEntry& cores = entries.emplace_back(level);
  cores.subleaf = 1;
  cores.eax = place.package_bits;
  cores.ebx = place.vcpu_count;
  cores.ecx = (kCoreLevel << 8) | 1;
  CpuidEntry& end = entries.emplace_back(level);
  end.subleaf = 2;
  end.ecx = 2;
}

}  // namespace

Vendor DetectVendor(std::span<const CpuidEntry> supported) {
  const auto entry = std::ranges::find(supported, uint32_t{kVendorLeaf}, &CpuidEntry::leaf);
  if (entry == supported.end()) return Vendor::kOther;
  const auto letters =
      std::bit_cast<std::array<char, 12>>(std::array{entry->ebx, entry->edx, entry->ecx});
  const std::string_view name(letters.data(), letters.size());
  if (name == "GenuineIntel") return Vendor::kIntel;
  if (name == "AuthenticAMD" || name == "HygonGenuine") return Vendor::kAmd;
  return Vendor::kOther;
}

std::vector<CpuidEntry> BuildCpuid(std::span<const CpuidEntry> supported,
                                   const CpuTopology& topology, VcpuIndex index) {
  const Place place = MakePlace(DetectVendor(supported), topology, index);
  uint32_t max_leaf = 0;
  std::vector<CpuidEntry> entries;
  entries.reserve(supported.size() + 6);
  for (const CpuidEntry& offered : supported) {
    if (offered.leaf == kVendorLeaf) max_leaf = offered.eax;
    if (IsHostTopology(offered.leaf)) continue;
    Adjust(entries.emplace_back(offered), place);
  }
  for (const uint32_t leaf : {kTopologyLeaf, kTopologyV2Leaf}) {
    if (leaf <= max_leaf) AppendTopology(entries, leaf, place);
  }
  return entries;
}

}  // namespace ember::kvm::x86_64
