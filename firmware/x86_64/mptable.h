#ifndef EMBER_FIRMWARE_X86_64_MPTABLE_H_
#define EMBER_FIRMWARE_X86_64_MPTABLE_H_

#include <string>
#include <vector>

#include "base/result.h"
#include "firmware/platform.h"
#include "memory/guest_memory.h"

// What kernels get that use neither ACPI nor a device tree: a table with the processors and the
// interrupt controllers, and the virtio devices on the command line.
namespace ember::firmware {

// Writes the floating pointer and the configuration table of Intel's MultiProcessor Specification
// 1.4 to layout.h's kMpTableArea. The errors: a local APIC id that does not fit a byte; more
// processors than the area holds, which is good for at least 32.
Status WriteMpTable(const GuestMemory& memory, const Platform& platform);

// For each virtio device the word by which Linux finds it: "virtio_mmio.device=4K@0xd0000000:5".
std::vector<std::string> VirtioMmioWords(const Platform& platform);

}  // namespace ember::firmware

#endif  // EMBER_FIRMWARE_X86_64_MPTABLE_H_
