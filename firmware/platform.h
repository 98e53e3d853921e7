#ifndef EMBER_FIRMWARE_PLATFORM_H_
#define EMBER_FIRMWARE_PLATFORM_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "devices/interrupt_line.h"
#include "memory/guest_address.h"

namespace ember::firmware {

// A device in MMIO space with one edge-triggered, active-high interrupt.
struct MmioDevice {
  GuestRange range;
  Gsi gsi{};
};

// A 16550A in port space (x86-64: COM1 at 0x3f8).
struct SerialPort {
  uint16_t port = 0;
  uint16_t port_count = 8;
  Gsi gsi{};
};

// ACPI power control of a hardware-reduced machine: a generic event device whose interrupt says
// "power button", and the sleep control and status registers in port space (ACPI 6.4, 4.8.3.7,
// 5.6.9).
struct PowerControl {
  Gsi gsi{};
  // MMIO byte read by the GED's _EVT: bit 0 = power button pressed, bit 1 = new generation
  uint64_t event_register = 0;
  uint16_t sleep_control_port = 0;
  uint16_t sleep_status_port = 0;
};

// The machine that the firmware tables describe: plain facts, collected by vmm/ while it builds.
struct Platform {
  std::vector<GuestRange> ram;          // sorted
  std::vector<uint32_t> apic_ids;       // of each vCPU in index order; the first boots
  std::vector<MmioDevice> virtio_mmio;  // in order of attachment
  std::optional<SerialPort> serial;
  std::optional<PowerControl> power;
  std::optional<uint16_t> panic_port;  // pvpanic's one-byte register
  bool has_i8042 = false;
  // 16 bytes of RAM by which a guest tells that it is a copy of another (Microsoft's "Virtual
  // Machine Generation ID"); reserved in its memory map.
  std::optional<GuestAddress> generation_id;
  // A page of RAM with VMClock's structure (devices/vm_clock.h); reserved in its memory map.
  std::optional<GuestRange> vm_clock;
};

// How the guest learns of the platform. Exactly one is handed over, so that no device shows twice.
enum class HardwareDescription {
  kAcpi,        // RSDP …; the default
  kMpTable,     // MP 1.4 table, devices as virtio_mmio.device= words on the command line
  kDeviceTree,  // flattened device tree as SETUP_DTB
};

}  // namespace ember::firmware

#endif  // EMBER_FIRMWARE_PLATFORM_H_
