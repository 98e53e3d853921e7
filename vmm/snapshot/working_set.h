#ifndef EMBER_VMM_SNAPSHOT_WORKING_SET_H_
#define EMBER_VMM_SNAPSHOT_WORKING_SET_H_

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"
#include "snapshot/memory_file.h"
#include "vmm/snapshot/machine_state.h"

// Which pages a machine touched once it was restored, as a file: docs/formats/snapshot.md. Any
// thread.
namespace ember::vmm {

struct WorkingSet {
  SnapshotName snapshot{};  // that it was restored from
  // Of each piece of the memory file, a bit a page, that of the first one lowest.
  std::vector<std::vector<std::byte>> pages;
};

void Describe(snapshot::Fields& fields, WorkingSet& set);

// Writes the file whole and durable, in place of one that was there; after an error that one is.
Status WriteWorkingSet(const std::string& path, const WorkingSet& set);

// The pages of a file that may be damaged or hostile, of the snapshot of that name, whose memory
// has those pieces. An error names the file: it is damaged, another kind of file, another
// snapshot's, or not of such a memory.
Result<snapshot::PageBits> ReadWorkingSet(const std::string& path, const SnapshotName& snapshot,
                                          const std::vector<snapshot::MemoryPiece>& pieces);

}  // namespace ember::vmm

#endif  // EMBER_VMM_SNAPSHOT_WORKING_SET_H_
