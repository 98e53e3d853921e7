#ifndef EMBER_FIRMWARE_X86_64_APIC_H_
#define EMBER_FIRMWARE_X86_64_APIC_H_

#include <algorithm>
#include <cstdint>
#include <span>

#include "memory/guest_address.h"

// The interrupt controllers of every machine, as KVM makes them. Its GSI n is pin n of the one I/O
// APIC and, below 16, of the 8259s: a plain PC, but for the timer, which is on pin 0 and not 2.
namespace ember::firmware::x86_64 {

inline constexpr GuestRange kIoApic{GuestAddress{0xfec0'0000}, 0x1000};
inline constexpr GuestRange kLocalApic{GuestAddress{0xfee0'0000}, 0x1000};
inline constexpr uint32_t kIoApicPins = 24;

// Local APIC ids from this on do not fit where tables have a byte; 0xff there means all.
inline constexpr uint32_t kFirstWideApicId = 0xff;

// An id for the I/O APIC: not a processor's while there is one that fits a byte, else 0.
inline uint8_t IoApicId(std::span<const uint32_t> apic_ids) {
  for (uint8_t id = 0; id < kFirstWideApicId; ++id) {
    if (std::find(apic_ids.begin(), apic_ids.end(), id) == apic_ids.end()) return id;
  }
  return 0;
}

}  // namespace ember::firmware::x86_64

#endif  // EMBER_FIRMWARE_X86_64_APIC_H_
