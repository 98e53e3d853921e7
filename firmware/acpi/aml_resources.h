#ifndef EMBER_FIRMWARE_ACPI_AML_RESOURCES_H_
#define EMBER_FIRMWARE_ACPI_AML_RESOURCES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "devices/interrupt_line.h"
#include "firmware/acpi/aml.h"

// Resource descriptors (ACPI 6.4, 6.4): what a device's _CRS says it uses. Pure functions; any
// thread.
namespace ember::firmware::aml {

struct Resource {
  std::vector<std::byte> bytes;
};

// Memory below 4 GiB.
enum class MemoryUse : uint8_t { kReadOnly = 0, kReadWrite = 1 };
Resource Memory32Fixed(uint32_t base, uint32_t size_bytes, MemoryUse use);
// Ports, decoded in full.
Resource IoPorts(uint16_t base, uint8_t count);
// An extended interrupt descriptor: consumed, edge-triggered, active-high, exclusive.
Resource EdgeInterrupt(Gsi gsi);

// The buffer with these and an end tag.
Value ResourceTemplate(const std::vector<Resource>& resources);

}  // namespace ember::firmware::aml

#endif  // EMBER_FIRMWARE_ACPI_AML_RESOURCES_H_
