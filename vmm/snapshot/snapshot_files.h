#ifndef EMBER_VMM_SNAPSHOT_SNAPSHOT_FILES_H_
#define EMBER_VMM_SNAPSHOT_SNAPSHOT_FILES_H_

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "memory/guest_address.h"
#include "memory/guest_memory.h"
#include "vmm/snapshot/machine_state.h"

// The two files of a snapshot, written and found as one: docs/snapshots.md. Any thread.
namespace ember::vmm {

struct SnapshotPaths {
  std::string state;
  std::string memory;
};

// Never the same twice. Fails only where the host has no randomness yet.
Result<SnapshotName> MakeSnapshotName();

// Writes a snapshot under state.name: all of the memory or, for a diff, the pages that state.diff
// lists and that of the name. The file, and not the memory, has the name at `name_at`, 16 bytes of
// RAM that no restored guest reads. While the machine is paused and its devices rest. After an
// error the snapshot that was there before is there, or the new one, whole.
Status WriteSnapshot(const SnapshotPaths& paths, MachineState state, const GuestMemory& memory,
                     GuestAddress name_at);

// A state file's machine; errors name the file.
Result<MachineState> ReadMachineState(const std::string& path);

struct MemoryFile {
  Fd file;
  std::string path;
};
// The memory file that belongs to a state of that name: the one at `paths.memory`, or the one that
// was about to take its place. `memory` is made as the state says, and has nothing loaded. An
// error: neither is the snapshot's.
Result<MemoryFile> OpenMemoryFile(const SnapshotPaths& paths, const SnapshotName& name,
                                  const GuestMemory& memory, GuestAddress name_at);

}  // namespace ember::vmm

#endif  // EMBER_VMM_SNAPSHOT_SNAPSHOT_FILES_H_
