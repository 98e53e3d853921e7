#ifndef EMBER_MEMORY_X86_64_LAYOUT_H_
#define EMBER_MEMORY_X86_64_LAYOUT_H_

#include "memory/guest_address.h"

namespace ember::x86_64 {

// What 32-bit addresses reach but is not RAM: virtio-mmio windows, the I/O APIC (0xfec00000), the
// local APICs (0xfee00000), and KVM's own TSS and identity map pages. RAM fills what is below and
// goes on above.
inline constexpr GuestAddress kMmioGapStart{0xc000'0000};
inline constexpr GuestAddress kMmioGapEnd{0x1'0000'0000};

}  // namespace ember::x86_64

#endif  // EMBER_MEMORY_X86_64_LAYOUT_H_
