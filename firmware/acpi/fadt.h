#ifndef EMBER_FIRMWARE_ACPI_FADT_H_
#define EMBER_FIRMWARE_ACPI_FADT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "memory/guest_address.h"

namespace ember::firmware::acpi {

// IAPC_BOOT_ARCH: what of a PC is there or missing (ACPI 6.4, 5.2.9.3).
inline constexpr uint16_t kBootHas8042 = 1U << 1;
inline constexpr uint16_t kBootNoVga = 1U << 2;
inline constexpr uint16_t kBootNoCmosClock = 1U << 5;

// What differs from machine to machine in the fixed description table of hardware-reduced ACPI.
struct FadtParameters {
  struct PortReset {
    uint16_t port = 0;
    uint8_t value = 0;
  };

  GuestAddress dsdt{};
  uint16_t boot_architecture = 0;
  std::optional<PortReset> reset;              // a byte written to a port resets the machine
  std::optional<uint16_t> sleep_control_port;  // one byte each
  std::optional<uint16_t> sleep_status_port;
};

// The whole table, of revision 6.4. Pure; any thread.
std::vector<std::byte> HardwareReducedFadt(const FadtParameters& parameters);

}  // namespace ember::firmware::acpi

#endif  // EMBER_FIRMWARE_ACPI_FADT_H_
