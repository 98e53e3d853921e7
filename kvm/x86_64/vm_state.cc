#include <linux/kvm.h>

#include <array>
#include <bit>
#include <cstring>

#include "base/concat.h"
#include "kvm/ioctl.h"
#include "kvm/saved_state.h"
#include "kvm/x86_64/state_part.h"

namespace ember::kvm {
namespace {

using x86_64::StructurePart;

constexpr std::string_view kClock = "clock";
constexpr StructurePart kPit{"pit",          sizeof(kvm_pit_state2), KVM_GET_PIT2,
                             "KVM_GET_PIT2", KVM_SET_PIT2,           "KVM_SET_PIT2"};

struct Chip {
  std::string_view name;
  uint32_t id;
};
constexpr std::array kChips = {Chip{"pic_primary", KVM_IRQCHIP_PIC_MASTER},
                               Chip{"pic_secondary", KVM_IRQCHIP_PIC_SLAVE},
                               Chip{"io_apic", KVM_IRQCHIP_IOAPIC}};
constexpr std::array<std::string_view, 5> kNames = {kChips[0].name, kChips[1].name, kChips[2].name,
                                                    kPit.name, kClock};

template <typename T>
std::vector<std::byte> ToBytes(const T& value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  return {bytes.begin(), bytes.end()};
}

template <typename T>
Result<T> FromParts(const StateParts& parts, std::string_view name) {
  const std::span<const std::byte> bytes = TRY(x86_64::Find(parts, name));
  TRY(x86_64::CheckSize(name, bytes.size(), sizeof(T)));
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

Status RestoreChip(const Vm& vm, const StateParts& parts, const Chip& chip) {
  auto state = TRY(FromParts<kvm_irqchip>(parts, chip.name));
  if (state.chip_id != chip.id) {
    return Error(Concat(chip.name, " is of chip ", state.chip_id, ", not ", chip.id));
  }
  TRY_CONTEXT(Ioctl(vm.fd(), KVM_SET_IRQCHIP, "KVM_SET_IRQCHIP", &state), chip.name);
  return {};
}

Status RestoreClock(const Vm& vm, const StateParts& parts, ClockMode mode) {
  const auto saved = TRY(FromParts<kvm_clock_data>(parts, kClock));
  // The other flags and fields tell how KVM came to the value; older kernels refuse them.
  kvm_clock_data clock{};
  clock.clock = saved.clock;
  if (mode == ClockMode::kAdvanced && (saved.flags & KVM_CLOCK_REALTIME) != 0) {
    clock.flags = KVM_CLOCK_REALTIME;
    clock.realtime = saved.realtime;
  }
  TRY(Ioctl(vm.fd(), KVM_SET_CLOCK, "KVM_SET_CLOCK", &clock));
  return {};
}

Status Restore(const Vm& vm, const StateParts& parts, ClockMode mode) {
  TRY(x86_64::CheckNames(parts, kNames));
  for (const Chip& chip : kChips) TRY(RestoreChip(vm, parts, chip));
  TRY(x86_64::Restore(vm.fd(), kPit, parts));
  return RestoreClock(vm, parts, mode);  // last: it runs from here on
}

}  // namespace

Result<StateParts> SaveControllers(const Vm& vm) {
  StateParts parts;
  kvm_clock_data clock{};
  TRY(Ioctl(vm.fd(), KVM_GET_CLOCK, "KVM_GET_CLOCK", &clock));
  parts.push_back({.name = std::string(kClock), .bytes = ToBytes(clock)});
  parts.push_back(TRY(x86_64::Save(vm.fd(), kPit)));
  for (const Chip& chip : kChips) {
    kvm_irqchip state{};
    state.chip_id = chip.id;
    TRY_CONTEXT(Ioctl(vm.fd(), KVM_GET_IRQCHIP, "KVM_GET_IRQCHIP", &state), chip.name);
    parts.push_back({.name = std::string(chip.name), .bytes = ToBytes(state)});
  }
  return parts;
}

Status RestoreControllers(const Vm& vm, const StateParts& parts, ClockMode clock) {
  TRY_CONTEXT(Restore(vm, parts, clock), "interrupt controllers and timers");
  return {};
}

}  // namespace ember::kvm
