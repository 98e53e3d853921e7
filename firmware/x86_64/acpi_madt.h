#ifndef EMBER_FIRMWARE_X86_64_ACPI_MADT_H_
#define EMBER_FIRMWARE_X86_64_ACPI_MADT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ember::firmware::x86_64 {

// The multiple APIC description table (ACPI 6.4, 5.2.12) of a machine with these local APICs, one
// I/O APIC and two 8259s. Processor n in the order given has the UID n. Pure; any thread.
std::vector<std::byte> Madt(std::span<const uint32_t> apic_ids);

}  // namespace ember::firmware::x86_64

#endif  // EMBER_FIRMWARE_X86_64_ACPI_MADT_H_
