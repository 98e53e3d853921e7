#ifndef EMBER_FIRMWARE_X86_64_GDT_H_
#define EMBER_FIRMWARE_X86_64_GDT_H_

#include <cstdint>

#include "base/result.h"
#include "memory/guest_memory.h"

namespace ember::firmware::x86_64 {

// Of the table that WriteGdt() writes: its size in bytes less one.
inline constexpr uint16_t kGdtLimit = 4 * 8 - 1;

// Writes the table that Linux's 64-bit entry wants at layout.h's kGdt: flat 64-bit code at selector
// 0x10, flat data at 0x18 (Linux, "The Linux/x86 Boot Protocol", "64-bit Boot Protocol").
Status WriteGdt(const GuestMemory& memory);

}  // namespace ember::firmware::x86_64

#endif  // EMBER_FIRMWARE_X86_64_GDT_H_
