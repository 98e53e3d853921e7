// A VirtualMachine as a snapshot has it: docs/snapshots.md.
#include <utility>

#include "kvm/saved_state.h"
#include "vmm/config_json.h"
#include "vmm/snapshot/snapshot_files.h"
#include "vmm/snapshot/working_set.h"
#include "vmm/snapshot/written_pages.h"
#include "vmm/virtual_machine.h"

namespace ember::vmm {

Status VirtualMachine::Save(const SnapshotCreation& creation) {
  const bool is_tracked = memory_->dirty_pages() != nullptr;
  if (creation.snapshot_type == SnapshotType::kDiff && !is_tracked) {
    return Error("Diff snapshots are not allowed on uVMs with dirty page tracking disabled.");
  }
  TRY(kvm::CheckStateCapabilities(*system_));
  // What they do in coming to rest shows in memory and in interrupt controllers. They stay so until
  // all is written.
  DeviceSet::AtRest at_rest = TRY(devices_->Rest());
  SavedMachine state = TRY(SaveState(at_rest));
  snapshot::PageBits written;
  if (is_tracked) {
    // Until all of them are in a snapshot none can be based on another one.
    const std::optional<SavedNames> saved = std::exchange(saved_, std::nullopt);
    written = TRY(TakeWrittenPages(*memory_, *vm_));
    saved_ = saved;
  }
  // The first of its line is whole.
  if (creation.snapshot_type == SnapshotType::kDiff && saved_) {
    state.diff = {.base = saved_->last, .full = saved_->full, .pages = ToBytes(written)};
  }
  // It looks at memory that nobody has touched.
  if (recorder_ != nullptr && !state.diff) recorder_->StopNoting();
  const SavedNames names{.last = state.name, .full = state.diff ? state.diff->full : state.name};
  Status saved = WriteSnapshot(
      {.state = creation.snapshot_path, .memory = creation.mem_file_path}, std::move(state),
      *memory_, Board::snapshot_names(),
      {.file = loaded_memory_.get(), .by_faults = page_fault_handler_ || recorder_ != nullptr});
  if (saved) {
    saved_ = names;
  } else if (is_tracked) {
    PutBackWrittenPages(*memory_, written);
  }
  return saved;
}

Status VirtualMachine::SaveWorkingSet(const std::string& path) {
  if (recorder_ == nullptr) return Error("the machine was not loaded with record_working_set");
  return WriteWorkingSet(path, {.snapshot = restored_from_, .pages = ToBytes(recorder_->pages())});
}

Result<SavedMachine> VirtualMachine::SaveState(DeviceSet::AtRest& at_rest) const {
  SavedMachine state{.name = TRY(MakeSnapshotName()), .config = ToJson(config_)};
  if (saved_) state.parent = saved_->last;
  state.devices = std::move(at_rest.states);
  for (const auto& vcpu : vcpus_) {
    state.vcpus.push_back({.parts = TRY(kvm::SaveVcpu(*system_, *vm_, vcpu->vcpu()))});
  }
  state.controllers = TRY(kvm::SaveControllers(*vm_));
  state.board = board_->Save();
  if (const PluggableMemory* const pluggable = memory_->pluggable()) {
    const GuestRange range = pluggable->range();
    state.pluggable = {.start = range.start, .size_bytes = range.size_bytes};
  }
  return state;
}

}  // namespace ember::vmm
