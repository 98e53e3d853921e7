#ifndef EMBER_VMM_SNAPSHOT_SNAPSHOT_REQUEST_H_
#define EMBER_VMM_SNAPSHOT_SNAPSHOT_REQUEST_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "vmm/config.h"
#include "vmm/fork/handed_machine.h"
#include "vmm/snapshot/overrides.h"

// What clients say of snapshots, with the contract's names and defaults. Plain data.
namespace ember::vmm {

enum class SnapshotType : uint8_t { kFull, kDiff };

// Files that are made, or whose place is taken.
struct SnapshotCreation {
  std::string snapshot_path;  // all of the machine but its memory
  std::string mem_file_path;
  SnapshotType snapshot_type = SnapshotType::kFull;

  friend bool operator==(const SnapshotCreation&, const SnapshotCreation&) = default;
};

// Where the memory of a restored machine comes from: a file, or a process that answers for it.
enum class MemoryBackendType : uint8_t { kFile, kUffd };

struct SnapshotMemory {
  MemoryBackendType backend_type = MemoryBackendType::kFile;
  std::string backend_path;
  // Of a file: what the machine touches is noted, for a SaveWorkingSet; or the file of such a set,
  // whose pages are read at once.
  bool record_working_set = false;
  std::optional<std::string> working_set_path;

  friend bool operator==(const SnapshotMemory&, const SnapshotMemory&) = default;
};

// A machine that is to be what another one was when it was saved, but for what is said here.
struct SnapshotLoad {
  std::string snapshot_path;
  SnapshotMemory memory;
  bool track_dirty_pages = false;
  bool resume_vm = false;
  Overrides overrides;
  bool clock_realtime = false;          // the guest's clock goes on by the time that has passed
  std::optional<HugePages> huge_pages;  // absent: what the saved machine had
  // In place of the two files: a machine that was forked.
  std::shared_ptr<const HandedMachine> handed;

  friend bool operator==(const SnapshotLoad&, const SnapshotLoad&) = default;
};

// A file that is made, or whose place is taken: which pages the restored machine has touched.
struct WorkingSetFile {
  std::string working_set_path;

  friend bool operator==(const WorkingSetFile&, const WorkingSetFile&) = default;
};

// What holds within one request: paths are there, and no more is asked for than can be done.
Status Validate(const SnapshotCreation& creation);
Status Validate(const SnapshotLoad& load);
Status Validate(const WorkingSetFile& file);

// Makes the configuration of a machine that was saved that of the one to be restored. As the
// contract has it, what says how the guest was booted is no part of it. Errors as those of the
// overrides.
Status Override(VmConfig& config, const SnapshotLoad& load);

}  // namespace ember::vmm

#endif  // EMBER_VMM_SNAPSHOT_SNAPSHOT_REQUEST_H_
