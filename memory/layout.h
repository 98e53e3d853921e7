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

}  // namespace ember

#endif  // EMBER_MEMORY_LAYOUT_H_
