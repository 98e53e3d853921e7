#include "vmm/snapshot/snapshot_request.h"

#include "base/concat.h"

namespace ember::vmm {
namespace {

Status Validate(const SnapshotMemory& memory) {
  if (memory.backend_path.empty()) return Error("backend_path is empty");
  if (!memory.record_working_set && !memory.working_set_path) return {};
  if (memory.backend_type != MemoryBackendType::kFile) {
    return Error("working sets are for backend_type File");
  }
  if (!memory.working_set_path) return {};
  if (memory.record_working_set) {
    return Error("record_working_set and working_set_path exclude each other");
  }
  return Validate(WorkingSetFile{.working_set_path = *memory.working_set_path});
}

}  // namespace

Status Validate(const SnapshotCreation& creation) {
  if (creation.snapshot_path.empty()) return Error("snapshot_path is empty");
  if (creation.mem_file_path.empty()) return Error("mem_file_path is empty");
  if (creation.snapshot_path == creation.mem_file_path) {
    return Error(Concat("snapshot_path and mem_file_path are both ", creation.snapshot_path));
  }
  return {};
}

Status Validate(const SnapshotLoad& load) {
  if (load.handed != nullptr) return {};
  if (load.snapshot_path.empty()) return Error("snapshot_path is empty");
  TRY(Validate(load.memory));
  if (load.huge_pages == HugePages::k2M && load.memory.backend_type != MemoryBackendType::kUffd) {
    return Error("huge_pages 2M needs backend_type Uffd");
  }
  return {};
}

Status Validate(const WorkingSetFile& file) {
  if (file.working_set_path.empty()) return Error("working_set_path is empty");
  return {};
}

Status Override(VmConfig& config, const SnapshotLoad& load) {
  config.boot_source.reset();
  config.machine.smt = false;
  config.machine.forkable = false;  // its memory is mapped from a file
  config.machine.cpu_template = CpuTemplate::kNone;
  config.machine.track_dirty_pages = load.track_dirty_pages;
  if (load.huge_pages) config.machine.huge_pages = *load.huge_pages;
  return Override(config, load.overrides);
}

}  // namespace ember::vmm
