#include <linux/kvm.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/concat.h"
#include "base/endian.h"
#include "kvm/capabilities.h"
#include "kvm/ioctl.h"
#include "kvm/saved_state.h"
#include "kvm/x86_64/abi.h"
#include "kvm/x86_64/cpuid.h"
#include "kvm/x86_64/state_msrs.h"
#include "kvm/x86_64/state_part.h"

namespace ember::kvm {
namespace {

namespace abi = x86_64::abi;
using x86_64::CpuidEntry;
using x86_64::StructurePart;

constexpr StructurePart kRegisters{"regs",         sizeof(kvm_regs), KVM_GET_REGS,
                                   "KVM_GET_REGS", KVM_SET_REGS,     "KVM_SET_REGS"};
constexpr StructurePart kSystemRegisters{"sregs",         sizeof(kvm_sregs), KVM_GET_SREGS,
                                         "KVM_GET_SREGS", KVM_SET_SREGS,     "KVM_SET_SREGS"};
// With the page directory pointers of PAE paging, which are not always those in memory.
constexpr StructurePart kSystemRegisters2{"sregs2",         sizeof(kvm_sregs2), KVM_GET_SREGS2,
                                          "KVM_GET_SREGS2", KVM_SET_SREGS2,     "KVM_SET_SREGS2"};
constexpr StructurePart kXcrs{"xcrs",         sizeof(kvm_xcrs), KVM_GET_XCRS,
                              "KVM_GET_XCRS", KVM_SET_XCRS,     "KVM_SET_XCRS"};
constexpr StructurePart kDebugRegisters{"debugregs",       sizeof(kvm_debugregs),
                                        KVM_GET_DEBUGREGS, "KVM_GET_DEBUGREGS",
                                        KVM_SET_DEBUGREGS, "KVM_SET_DEBUGREGS"};
constexpr StructurePart kLocalApic{"lapic",         sizeof(kvm_lapic_state), KVM_GET_LAPIC,
                                   "KVM_GET_LAPIC", KVM_SET_LAPIC,           "KVM_SET_LAPIC"};
constexpr StructurePart kEvents{"events",
                                sizeof(kvm_vcpu_events),
                                KVM_GET_VCPU_EVENTS,
                                "KVM_GET_VCPU_EVENTS",
                                KVM_SET_VCPU_EVENTS,
                                "KVM_SET_VCPU_EVENTS"};
constexpr StructurePart kRunState{"mp_state",         sizeof(kvm_mp_state), KVM_GET_MP_STATE,
                                  "KVM_GET_MP_STATE", KVM_SET_MP_STATE,     "KVM_SET_MP_STATE"};
constexpr std::string_view kXsave = "xsave";
constexpr std::string_view kNested = "nested";
constexpr std::string_view kMsrs = "msrs";
constexpr std::string_view kCpuid = "cpuid";
constexpr std::string_view kTscKhz = "tsc_khz";
constexpr uint32_t kCpuidXsave = 1U << 26;  // of leaf 1, ECX
constexpr std::array kNames = {kRegisters.name,
                               kSystemRegisters.name,
                               kSystemRegisters2.name,
                               kXcrs.name,
                               kDebugRegisters.name,
                               kLocalApic.name,
                               kEvents.name,
                               kRunState.name,
                               kXsave,
                               kNested,
                               kMsrs,
                               kCpuid,
                               kTscKhz};

// A guest's clock and timers stand clocks that differ so little: NTP corrects twice as much.
constexpr uint64_t kTscTolerancePpm = 250;
constexpr uint64_t kMillion = 1'000'000;

Result<StructurePart> SystemRegistersOf(const System& system) {
  return TRY(system.QueryCapability(KVM_CAP_SREGS2)) > 0 ? kSystemRegisters2 : kSystemRegisters;
}

// How long KVM's image of the extended registers is on this host.
Result<size_t> XsaveBytes(const Vm& vm) {
  const int bytes = TRY(Ioctl(vm.fd(), KVM_CHECK_EXTENSION, "KVM_CHECK_EXTENSION", KVM_CAP_XSAVE2));
  // Kernels without the second request have nothing beyond the first one's structure.
  return std::max(static_cast<size_t>(bytes), sizeof(abi::Xsave));
}

Result<StatePart> SaveXsave(const Vm& vm, const Vcpu& vcpu) {
  StatePart part{.name = std::string(kXsave), .bytes = {}};
  part.bytes.resize(TRY(XsaveBytes(vm)));
  if (part.bytes.size() > sizeof(abi::Xsave)) {
    TRY(Ioctl(vcpu.fd(), abi::kGetXsave2, "KVM_GET_XSAVE2", part.bytes.data()));
  } else {
    TRY(Ioctl(vcpu.fd(), abi::kGetXsave, "KVM_GET_XSAVE", part.bytes.data()));
  }
  return part;
}

Status RestoreXsave(const Vm& vm, const Vcpu& vcpu, const StateParts& parts) {
  const std::span<const std::byte> saved = TRY(x86_64::Find(parts, kXsave));
  const size_t size_bytes = TRY(XsaveBytes(vm));
  if (saved.size() < sizeof(abi::Xsave) || saved.size() > size_bytes) {
    return Error(Concat(kXsave, " is ", saved.size(), " bytes; this processor's is ",
                        sizeof(abi::Xsave), " to ", size_bytes));
  }
  std::vector<std::byte> image(saved.begin(), saved.end());
  image.resize(size_bytes);
  TRY(Ioctl(vcpu.fd(), abi::kSetXsave, "KVM_SET_XSAVE", image.data()));
  return {};
}

// Of guests that run guests themselves. Where the host does not let them there is nothing to save.
Status SaveNested(const System& system, const Vcpu& vcpu, StateParts& parts) {
  const auto size_bytes = static_cast<size_t>(TRY(system.QueryCapability(KVM_CAP_NESTED_STATE)));
  if (size_bytes < sizeof(abi::NestedState)) return {};
  StatePart part{.name = std::string(kNested), .bytes = {}};
  part.bytes.resize(size_bytes);
  const std::span<std::byte> size_field =
      std::span(part.bytes).subspan(offsetof(abi::NestedState, size));
  StoreLe(static_cast<uint32_t>(size_bytes), size_field);
  TRY(Ioctl(vcpu.fd(), abi::kGetNestedState, "KVM_GET_NESTED_STATE", part.bytes.data()));
  part.bytes.resize(std::min<size_t>(LoadLe<uint32_t>(size_field), size_bytes));
  parts.push_back(std::move(part));
  return {};
}

Status RestoreNested(const Vcpu& vcpu, const StateParts& parts) {
  if (!x86_64::Has(parts, kNested)) return {};
  const std::span<const std::byte> saved = TRY(x86_64::Find(parts, kNested));
  if (saved.size() < sizeof(abi::NestedState) ||
      LoadLe<uint32_t>(saved.subspan(offsetof(abi::NestedState, size))) != saved.size()) {
    return Error(Concat(kNested, " is ", saved.size(), " bytes, not what it says itself"));
  }
  std::vector<std::byte> copy(saved.begin(), saved.end());
  TRY(Ioctl(vcpu.fd(), abi::kSetNestedState, "KVM_SET_NESTED_STATE", copy.data()));
  return {};
}

Result<StatePart> SaveCpuid(const Vcpu& vcpu) {
  const std::vector<CpuidEntry> entries = TRY(x86_64::ReadCpuid(vcpu));
  const auto bytes = std::as_bytes(std::span(entries));
  return StatePart{.name = std::string(kCpuid), .bytes = {bytes.begin(), bytes.end()}};
}

Result<std::vector<CpuidEntry>> SavedCpuid(const StateParts& parts) {
  const std::span<const std::byte> saved = TRY(x86_64::Find(parts, kCpuid));
  if (saved.size() % sizeof(CpuidEntry) != 0) {
    return Error(
        Concat(kCpuid, " is ", saved.size(), " bytes, not entries of ", sizeof(CpuidEntry)));
  }
  std::vector<CpuidEntry> entries(saved.size() / sizeof(CpuidEntry));
  std::memcpy(entries.data(), saved.data(), saved.size());
  return entries;
}

Status RestoreCpuid(const Vcpu& vcpu, const StateParts& parts) {
  return x86_64::SetCpuid(vcpu, TRY(SavedCpuid(parts)));
}

// A processor without XSAVE has no extended control registers.
Status SaveXcrs(const System& system, const Vcpu& vcpu, StateParts& parts) {
  if (TRY(system.QueryCapability(KVM_CAP_XCRS)) == 0) return {};
  parts.push_back(TRY(x86_64::Save(vcpu.fd(), kXcrs)));
  return {};
}

bool HasXsave(const std::vector<CpuidEntry>& cpuid) {
  return std::ranges::any_of(cpuid, [](const CpuidEntry& entry) {
    return entry.leaf == 1 && (entry.ecx & kCpuidXsave) != 0;
  });
}

Status RestoreXcrs(const System& system, const Vcpu& vcpu, const StateParts& parts) {
  if (!x86_64::Has(parts, kXcrs.name) && !HasXsave(TRY(SavedCpuid(parts)))) return {};
  if (TRY(system.QueryCapability(KVM_CAP_XCRS)) == 0) {
    return Error("the guest has extended control registers, this host's processor none");
  }
  return x86_64::Restore(vcpu.fd(), kXcrs, parts);
}

Result<StatePart> SaveMsrs(const System& system, const Vcpu& vcpu) {
  const std::vector<uint32_t> indices = TRY(x86_64::ReadStateMsrIndices(system));
  const std::vector<x86_64::MsrValue> values = TRY(x86_64::ReadMsrs(vcpu, indices));
  StatePart part{.name = std::string(kMsrs), .bytes = {}};
  part.bytes.resize(values.size() * x86_64::kMsrRecordBytes);
  std::span<std::byte> out(part.bytes);
  for (const x86_64::MsrValue& value : values) {
    StoreLe<uint32_t>(value.index, out);
    StoreLe<uint64_t>(value.data, out.subspan(sizeof(uint32_t)));
    out = out.subspan(x86_64::kMsrRecordBytes);
  }
  return part;
}

Result<std::vector<x86_64::MsrValue>> SavedMsrs(const StateParts& parts) {
  std::span<const std::byte> saved = TRY(x86_64::Find(parts, kMsrs));
  if (saved.size() % x86_64::kMsrRecordBytes != 0) {
    return Error(
        Concat(kMsrs, " is ", saved.size(), " bytes, not records of ", x86_64::kMsrRecordBytes));
  }
  std::vector<x86_64::MsrValue> values;
  for (; !saved.empty(); saved = saved.subspan(x86_64::kMsrRecordBytes)) {
    values.push_back({.index = LoadLe<uint32_t>(saved),
                      .data = LoadLe<uint64_t>(saved.subspan(sizeof(uint32_t)))});
  }
  return values;
}

Result<uint32_t> ReadTscKhz(const Vcpu& vcpu) {
  return static_cast<uint32_t>(TRY(Ioctl(vcpu.fd(), KVM_GET_TSC_KHZ, "KVM_GET_TSC_KHZ")));
}

Result<StatePart> SaveTscKhz(const Vcpu& vcpu) {
  const uint32_t khz = TRY(ReadTscKhz(vcpu));
  StatePart part{.name = std::string(kTscKhz), .bytes = {}};
  part.bytes.resize(sizeof(khz));
  StoreLe(khz, part.bytes);
  return part;
}

Status RestoreTscKhz(const System& system, const Vcpu& vcpu, const StateParts& parts) {
  const std::span<const std::byte> saved = TRY(x86_64::Find(parts, kTscKhz));
  TRY(x86_64::CheckSize(kTscKhz, saved.size(), sizeof(uint32_t)));
  const uint64_t wanted = LoadLe<uint32_t>(saved);
  const uint64_t actual = TRY(ReadTscKhz(vcpu));
  const uint64_t apart = std::max(wanted, actual) - std::min(wanted, actual);
  if (apart * kMillion <= wanted * kTscTolerancePpm) return {};
  if (TRY(system.QueryCapability(KVM_CAP_TSC_CONTROL)) == 0) {
    return Error(Concat("the guest's time stamp counter runs at ", wanted, " kHz, this host's at ",
                        actual, ", and its processor cannot scale it"));
  }
  TRY(Ioctl(vcpu.fd(), KVM_SET_TSC_KHZ, "KVM_SET_TSC_KHZ", static_cast<unsigned long>(wanted)));
  return {};
}

// The order is KVM's (Linux, arch/x86/kvm/x86.c): reading the run state takes in what start-up
// messages wait; the deadline of the local timer before the local APIC, because a timer that fires
// between the two must rather come twice than never; what is pending last, because other reads
// change it.
Result<StateParts> Save(const System& system, const Vm& vm, const Vcpu& vcpu) {
  StateParts parts;
  parts.push_back(TRY(x86_64::Save(vcpu.fd(), kRunState)));
  parts.push_back(TRY(SaveCpuid(vcpu)));
  parts.push_back(TRY(SaveTscKhz(vcpu)));
  parts.push_back(TRY(x86_64::Save(vcpu.fd(), kRegisters)));
  const StructurePart system_registers = TRY(SystemRegistersOf(system));
  parts.push_back(TRY(x86_64::Save(vcpu.fd(), system_registers)));
  TRY(SaveNested(system, vcpu, parts));
  parts.push_back(TRY(SaveXsave(vm, vcpu)));
  TRY(SaveXcrs(system, vcpu, parts));
  parts.push_back(TRY(x86_64::Save(vcpu.fd(), kDebugRegisters)));
  parts.push_back(TRY(SaveMsrs(system, vcpu)));
  parts.push_back(TRY(x86_64::Save(vcpu.fd(), kLocalApic)));
  parts.push_back(TRY(x86_64::Save(vcpu.fd(), kEvents)));
  return parts;
}

// CPUID first, by which KVM judges the rest; the frequency before the counter; the APIC's base and
// mode (system registers) before its registers; those before the MSR that starts its timer; what is
// pending after general registers, whose restoration drops it; the run state after system
// registers, which may change it.
Status Restore(const System& system, const Vm& vm, const Vcpu& vcpu, const StateParts& parts) {
  TRY(x86_64::CheckNames(parts, kNames));
  const std::vector<x86_64::MsrValue> msrs = TRY(SavedMsrs(parts));
  TRY(RestoreCpuid(vcpu, parts));
  TRY(RestoreTscKhz(system, vcpu, parts));
  const bool has_sregs2 = x86_64::Has(parts, kSystemRegisters2.name);
  TRY(x86_64::Restore(vcpu.fd(), has_sregs2 ? kSystemRegisters2 : kSystemRegisters, parts));
  TRY(x86_64::WriteNestingMsrs(vcpu, msrs));
  TRY(RestoreNested(vcpu, parts));
  TRY(x86_64::Restore(vcpu.fd(), kRegisters, parts));
  TRY(RestoreXcrs(system, vcpu, parts));
  TRY(RestoreXsave(vm, vcpu, parts));
  TRY(x86_64::Restore(vcpu.fd(), kDebugRegisters, parts));
  TRY(x86_64::Restore(vcpu.fd(), kLocalApic, parts));
  TRY(x86_64::WriteStateMsrs(vcpu, msrs));
  TRY(x86_64::Restore(vcpu.fd(), kEvents, parts));
  return x86_64::Restore(vcpu.fd(), kRunState, parts);
}

}  // namespace

Status CheckStateCapabilities(const System& system) {
  static constexpr std::string_view kNeededFor = "snapshots";
  static constexpr std::array kNeeded = {
      Capability{KVM_CAP_XSAVE, "KVM_CAP_XSAVE", "extended registers", kNeededFor},
      Capability{KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS", "debug registers", kNeededFor},
      Capability{KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS", "pending events", kNeededFor},
      Capability{KVM_CAP_GET_TSC_KHZ, "KVM_CAP_GET_TSC_KHZ", "counter frequency", kNeededFor},
      Capability{KVM_CAP_PIT_STATE2, "KVM_CAP_PIT_STATE2", "interval timer state", kNeededFor},
      Capability{KVM_CAP_ADJUST_CLOCK, "KVM_CAP_ADJUST_CLOCK", "guest clock", kNeededFor},
  };
  const CapabilityQuery query = [&system](int number) { return system.QueryCapability(number); };
  TRY_CONTEXT(CheckCapabilities(kNeeded, query, "/dev/kvm"), Describe(system.backend()));
  return {};
}

Result<StateParts> SaveVcpu(const System& system, const Vm& vm, const Vcpu& vcpu) {
  return TRY_CONTEXT(Save(system, vm, vcpu), Concat("vCPU ", static_cast<uint32_t>(vcpu.index())));
}

Status RestoreVcpu(const System& system, const Vm& vm, const Vcpu& vcpu, const StateParts& parts) {
  TRY_CONTEXT(Restore(system, vm, vcpu, parts),
              Concat("vCPU ", static_cast<uint32_t>(vcpu.index())));
  return {};
}

}  // namespace ember::kvm
