#ifndef EMBER_FIRMWARE_X86_64_ACPI_TABLES_H_
#define EMBER_FIRMWARE_X86_64_ACPI_TABLES_H_

#include "base/result.h"
#include "firmware/platform.h"
#include "memory/guest_address.h"
#include "memory/guest_memory.h"

namespace ember::firmware {

// Writes the ACPI tables of a hardware-reduced machine (ACPI 6.4, 4.1) to the start of layout.h's
// kAcpiArea and returns the address of their root pointer. The error names the table that does not
// fit, or the device that the tables cannot describe.
Result<GuestAddress> WriteAcpiTables(const GuestMemory& memory, const Platform& platform);

}  // namespace ember::firmware

#endif  // EMBER_FIRMWARE_X86_64_ACPI_TABLES_H_
