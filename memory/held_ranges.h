#ifndef EMBER_MEMORY_HELD_RANGES_H_
#define EMBER_MEMORY_HELD_RANGES_H_

#include <vector>

#include "memory/guest_address.h"
#include "memory/guest_memory.h"

namespace ember {

// Which parts of a region the host keeps something for, in order: everywhere else the region reads
// zeros, and looking at it would only make the host take memory. Touches nothing of it. A part may
// still be zeros. The whole region where the host does not tell. For a paused machine; any thread.
std::vector<GuestRange> HeldRanges(const GuestMemory& memory, const GuestMemory::Region& region);

}  // namespace ember

#endif  // EMBER_MEMORY_HELD_RANGES_H_
