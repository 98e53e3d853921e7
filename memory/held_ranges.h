#ifndef EMBER_MEMORY_HELD_RANGES_H_
#define EMBER_MEMORY_HELD_RANGES_H_

#include <cstdint>
#include <vector>

#include "base/fd.h"
#include "memory/guest_address.h"
#include "memory/guest_memory.h"

namespace ember {

// A file and where in it a region begins.
struct MappedFile {
  const Fd* file = nullptr;  // none
  uint64_t offset_bytes = 0;
};

// Which parts of a region the host keeps something for, in order: everywhere else the region reads
// zeros, and looking at it would only make the host take memory. Touches nothing of it. A part may
// still be zeros. Pieces of files (GuestMemory::MapFilePrivately()) count as held, but not the
// holes of `mapped`, which is what all of the region was mapped from. The whole region where the
// host does not tell. For a paused machine; any thread.
std::vector<GuestRange> HeldRanges(const GuestMemory& memory, const GuestMemory::Region& region,
                                   const MappedFile& mapped = {});

// Which parts of a region are RAM or plugged, whoever has their contents: of memory that another
// process delivers (memory/user_faults.h) only that one knows what is in it.
std::vector<GuestRange> RangesInUse(const GuestMemory& memory, const GuestMemory::Region& region);

}  // namespace ember

#endif  // EMBER_MEMORY_HELD_RANGES_H_
