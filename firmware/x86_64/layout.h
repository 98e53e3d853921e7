#ifndef EMBER_FIRMWARE_X86_64_LAYOUT_H_
#define EMBER_FIRMWARE_X86_64_LAYOUT_H_

#include <cstdint>

#include "memory/guest_address.h"

// Where things lie in a guest's low memory at its first instruction. All of it but the kernel and
// the initrd is below 1 MiB, which Linux keeps clear of until it has read what it wants there.
//
//       0x500  GDT
//      0x6000  PVH start info, modules, memory map
//      0x7000  zero page (boot_params)
//      0x9000  page tables: PML4, PDPT, four page directories
//     0x20000  command line
//     0x30000  setup_data: seed, device tree
//     0x9fc00  MP table (the EBDA's place, one of those that Linux searches)
//     0xa0000  not RAM to the guest: once video memory and option ROMs
//     0xe0000  ACPI tables
//     0xfd000  VMClock
//     0xfe000  generation id, which is a snapshot's name in its memory file
//     0xff000  what a snapshot's memory file was merged from; nothing to the guest
//    0x100000  kernel; the initrd is at the end of the RAM below 4 GiB
namespace ember::firmware::x86_64 {

inline constexpr uint64_t kPageBytes = 4096;

inline constexpr GuestAddress kGdt{0x500};
inline constexpr GuestRange kPvhArea{GuestAddress{0x6000}, 0x1000};
inline constexpr GuestAddress kZeroPage{0x7000};
inline constexpr GuestAddress kPageTables{0x9000};
inline constexpr GuestRange kCommandLineArea{GuestAddress{0x2'0000}, 0x1'0000};
inline constexpr GuestRange kSetupDataArea{GuestAddress{0x3'0000}, 0x6'fc00};
inline constexpr GuestRange kMpTableArea{GuestAddress{0x9'fc00}, 0x400};
inline constexpr GuestRange kAcpiArea{GuestAddress{0xe'0000}, 0x1'd000};
inline constexpr GuestAddress kVmClock{0xf'd000};
inline constexpr GuestAddress kGenerationId{0xf'e000};
inline constexpr GuestAddress kBaseMark{0xf'f000};
inline constexpr GuestAddress kKernelStart{0x10'0000};

static_assert(kSetupDataArea.start == kCommandLineArea.end());
static_assert(kMpTableArea.start == kSetupDataArea.end());
static_assert(kVmClock == kAcpiArea.end());
static_assert(kGenerationId == kVmClock + kPageBytes);
static_assert(kBaseMark == kGenerationId + kPageBytes);
static_assert(kKernelStart == kBaseMark + kPageBytes);

}  // namespace ember::firmware::x86_64

#endif  // EMBER_FIRMWARE_X86_64_LAYOUT_H_
