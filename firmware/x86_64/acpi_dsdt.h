#ifndef EMBER_FIRMWARE_X86_64_ACPI_DSDT_H_
#define EMBER_FIRMWARE_X86_64_ACPI_DSDT_H_

#include <cstddef>
#include <vector>

#include "base/result.h"
#include "firmware/platform.h"

namespace ember::firmware::x86_64 {

// The differentiated system description table: every device of the platform with what it uses, as
// AML. The error names the virtio device that is not below 4 GiB, or whose number is too large for
// a name. Pure; any thread.
Result<std::vector<std::byte>> Dsdt(const Platform& platform);

}  // namespace ember::firmware::x86_64

#endif  // EMBER_FIRMWARE_X86_64_ACPI_DSDT_H_
