#ifndef EMBER_VMM_SNAPSHOT_SNAPSHOT_FILES_H_
#define EMBER_VMM_SNAPSHOT_SNAPSHOT_FILES_H_

#include <cstddef>
#include <string>
#include <vector>

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

// Where a memory file has names, of 16 bytes: in RAM that no restored guest reads, each in a page
// of its own.
struct NamePlaces {
  GuestAddress name{};  // of the snapshot
  GuestAddress full{};  // of the last whole snapshot that is in it; no diff has that page
};

// Never the same twice. Fails only where the host has no randomness yet.
Result<SnapshotName> MakeSnapshotName();
// In hexadecimal: what stands behind a file's name until the file has it for good.
std::string ToText(const SnapshotName& name);

// Writes a snapshot under state.name: all of the memory or, for a diff, the pages that state.diff
// lists and that of the name. The file, and not the memory, has the names. While the machine is
// paused and its devices rest. After an error the snapshot that was there before is there, or the
// new one, whole. `source` is what the memory was made from.
Status WriteSnapshot(const SnapshotPaths& paths, SavedMachine state, const GuestMemory& memory,
                     const NamePlaces& places, const snapshot::MemorySource& source = {});

// The bytes of a state file. An error: there are more than readers take.
Result<std::vector<std::byte>> EncodeMachineState(const SavedMachine& state);
// A state file's machine; errors name the file.
Result<SavedMachine> ReadMachineState(const std::string& path);
// The same for a file that is open already; `name` is for errors.
Result<SavedMachine> ReadMachineState(const Fd& file, const std::string& name);

struct MemoryFile {
  Fd file;
  std::string path;
};
// The memory file that belongs to a state: the one at `paths.memory`, or the one that was about to
// take its place. `memory` is made as the state says, and has nothing loaded. An error: neither is
// the snapshot's, or it is a diff that was not merged into what it is based on.
Result<MemoryFile> OpenMemoryFile(const SnapshotPaths& paths, const SavedMachine& state,
                                  const GuestMemory& memory, const NamePlaces& places);

// Whether memory that came from elsewhere, as `source` says for an error, is that of the state, by
// the names in it: errors as those of OpenMemoryFile().
Status CheckNames(const GuestMemory& memory, const SavedMachine& state, const NamePlaces& places,
                  const std::string& source);

}  // namespace ember::vmm

#endif  // EMBER_VMM_SNAPSHOT_SNAPSHOT_FILES_H_
