#ifndef EMBER_VMM_SNAPSHOT_MERGE_DIFF_H_
#define EMBER_VMM_SNAPSHOT_MERGE_DIFF_H_

#include <cstdint>
#include <string>

#include "base/result.h"
#include "memory/guest_memory.h"
#include "vmm/snapshot/snapshot_files.h"

// A diff and the memory before it become memory that a machine can be restored from:
// docs/snapshots.md. Any thread, and any process: nothing of KVM is needed.
namespace ember::vmm {

struct DiffMerge {
  SnapshotPaths diff;
  std::string base_memory;  // of the snapshot that the diff holds the changes since
  std::string out;          // to be made, or replaced: any path, one of these too
};

// Writes the base with the diff's pages under `out`, where it belongs to the diff's state, and
// returns how many bytes the diff gave. The two files are left alone, unless `out` is one of them;
// after an error `out` is as it was. Errors name the file that is not what it should be: a state
// that is no diff, a base that is another snapshot's or of another length.
Result<uint64_t> MergeDiff(const DiffMerge& files);

// The same for a state and places that are known. `layout` is memory made as the state says, with
// nothing loaded.
Result<uint64_t> MergeDiff(const DiffMerge& files, const SavedMachine& state,
                           const GuestMemory& layout, const NamePlaces& places);

}  // namespace ember::vmm

#endif  // EMBER_VMM_SNAPSHOT_MERGE_DIFF_H_
