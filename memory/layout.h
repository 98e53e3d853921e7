#ifndef EMBER_MEMORY_LAYOUT_H_
#define EMBER_MEMORY_LAYOUT_H_

#include <cstdint>
#include <vector>

#include "memory/guest_address.h"

namespace ember {

// Where in guest-physical space `size_bytes` of RAM lie on the architecture this build is for,
// sorted and free of overlap; the folder of the architecture decides (memory/x86_64/layout.h). No
// range where the size is 0.
std::vector<GuestRange> RamRanges(uint64_t size_bytes);

// Where memory that devices bring can lie, beside RAM of `ram_bytes`, for processors that have
// addresses of `address_bits`: above all that the machine has otherwise. Empty where nothing is
// left.
GuestRange DeviceMemoryRange(uint64_t ram_bytes, uint32_t address_bits);

}  // namespace ember

#endif  // EMBER_MEMORY_LAYOUT_H_
