#ifndef EMBER_SNAPSHOT_FETCH_PAGES_H_
#define EMBER_SNAPSHOT_FETCH_PAGES_H_

#include <cstdint>

#include "base/fd.h"
#include "base/result.h"
#include "memory/guest_memory.h"
#include "snapshot/memory_file.h"

namespace ember::snapshot {

// Reads what a machine is about to touch at once, instead of page by page when it does: the pages
// whose bits are set, of memory that LoadMemory() has mapped from `file`, and short gaps between
// them. They are in the page cache then, shared by all machines of the file, and in this process's
// page tables. Of memory that LoadMemory() has read nothing is left to do. Returns how many bytes
// were fetched. An error: the file cannot be read there. Any thread; before the machine runs.
Result<uint64_t> FetchPages(const GuestMemory& memory, const PageBits& pages, const Fd& file);

}  // namespace ember::snapshot

#endif  // EMBER_SNAPSHOT_FETCH_PAGES_H_
