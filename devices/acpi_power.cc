#include "devices/acpi_power.h"

namespace ember {
namespace {

constexpr int kSleepTypeShift = 2;
constexpr uint8_t kSleepTypeMask = 0x7;
constexpr uint8_t kSleepEnable = 0x20;

}  // namespace

void AcpiSleepRegisters::Read(uint64_t /*offset*/, std::span<std::byte> /*out*/) {
  // The control register's bits are write-only or without meaning here, and the wake status is
  // never set: the machine does not come back from S5. Zero, as `out` is.
}

void AcpiSleepRegisters::Write(uint64_t offset, std::span<const std::byte> in) {
  if (in.size() != 1) {
    metrics_.bad_writes.Add();
    return;
  }
  const auto value = std::to_integer<uint8_t>(in[0]);
  if (offset != kControlOffset || (value & kSleepEnable) == 0) return;
  if (((value >> kSleepTypeShift) & kSleepTypeMask) != kAcpiSleepTypeS5) {
    metrics_.bad_writes.Add();
    return;
  }
  metrics_.power_offs.Add();
  machine_.Request(VmRequest::kPowerOff);
}

void AcpiEventRegister::Read(uint64_t /*offset*/, std::span<std::byte> out) {
  if (out.size() != 1) return;
  out[0] = std::byte{events_.exchange(0, std::memory_order_relaxed)};
}

void AcpiEventRegister::Write(uint64_t /*offset*/, std::span<const std::byte> /*in*/) {
  // Read-only.
}

void AcpiEventRegister::Raise(uint8_t event) {
  events_.fetch_or(event, std::memory_order_relaxed);
  interrupt_.Trigger();
}

}  // namespace ember
