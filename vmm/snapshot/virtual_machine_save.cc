// A VirtualMachine as a snapshot has it: docs/snapshots.md.
#include <utility>

#include "kvm/saved_state.h"
#include "vmm/config_json.h"
#include "vmm/snapshot/machine_state.h"
#include "vmm/snapshot/snapshot_files.h"
#include "vmm/virtual_machine.h"

namespace ember::vmm {

Status VirtualMachine::Save(const SnapshotCreation& creation) {
  TRY(kvm::CheckStateCapabilities(*system_));
  MachineState state{.name = TRY(MakeSnapshotName()), .config = ToJson(config_)};
  // What they do in coming to rest shows in memory and in interrupt controllers. They stay so until
  // all is written.
  DeviceSet::AtRest at_rest = TRY(devices_->Rest());
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
  return WriteSnapshot({.state = creation.snapshot_path, .memory = creation.mem_file_path},
                       std::move(state), *memory_, Board::generation_id_address());
}

}  // namespace ember::vmm
