#ifndef EMBER_DEVICES_ACPI_POWER_H_
#define EMBER_DEVICES_ACPI_POWER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/counter.h"
#include "devices/bus_device.h"
#include "devices/interrupt_line.h"
#include "devices/vm_request.h"

namespace ember {

// The sleep type that means S5, soft off; the DSDT's \_S5 package says the same number.
inline constexpr uint8_t kAcpiSleepTypeS5 = 5;

// The sleep control and sleep status registers of a hardware-reduced machine (ACPI 6.4, 4.8.3.7),
// one byte each. Only S5 is known: it asks the machine to power off. Any thread; it has no state.
class AcpiSleepRegisters final : public BusDevice {
 public:
  static constexpr uint64_t kControlOffset = 0;
  static constexpr uint64_t kStatusOffset = 1;
  static constexpr uint64_t kRegisterBytes = 2;

  struct Metrics {
    Counter power_offs;
    Counter bad_writes;  // not one byte, or another sleep type
  };

  // `machine` must outlive it.
  explicit AcpiSleepRegisters(VmRequestSink& machine) : machine_(machine) {}

  std::string_view name() const override { return "ACPI sleep registers"; }
  void Read(uint64_t offset, std::span<std::byte> out) override;
  void Write(uint64_t offset, std::span<const std::byte> in) override;

  const Metrics& metrics() const { return metrics_; }

 private:
  VmRequestSink& machine_;
  Metrics metrics_;
};

// What happened to the machine, as one byte that the _EVT method of the DSDT's generic event device
// reads when its interrupt comes (ACPI 6.4, 5.6.9). Reading clears it. Any thread.
class AcpiEventRegister final : public BusDevice {
 public:
  static constexpr uint64_t kRegisterBytes = 1;
  static constexpr uint8_t kPowerButton = 0x01;
  static constexpr uint8_t kNewGeneration = 0x02;

  struct State {
    uint8_t events = 0;
  };

  // `interrupt` must outlive it.
  explicit AcpiEventRegister(InterruptLine& interrupt) : AcpiEventRegister(interrupt, State{}) {}
  // Restored.
  AcpiEventRegister(InterruptLine& interrupt, const State& state)
      : interrupt_(interrupt), events_(state.events) {}

  State Save() const { return {.events = events_.load(std::memory_order_relaxed)}; }

  std::string_view name() const override { return "ACPI event register"; }
  void Read(uint64_t offset, std::span<std::byte> out) override;
  void Write(uint64_t offset, std::span<const std::byte> in) override;

  // Pressed again before the guest has looked, it is one press.
  void PressPowerButton() { Raise(kPowerButton); }
  // The machine is a copy: its generation id is another one now, and so is that of its VMClock.
  void AnnounceGeneration() { Raise(kNewGeneration); }

 private:
  void Raise(uint8_t event);

  InterruptLine& interrupt_;
  // One variable on its own: relaxed order will do.
  std::atomic<uint8_t> events_;
};

}  // namespace ember

#endif  // EMBER_DEVICES_ACPI_POWER_H_
