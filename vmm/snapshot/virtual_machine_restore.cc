// From a snapshot to a VirtualMachine: docs/snapshots.md.
#include <algorithm>
#include <string>
#include <utility>

#include "base/concat.h"
#include "base/endian.h"
#include "base/log.h"
#include "kvm/saved_state.h"
#include "snapshot/fetch_pages.h"
#include "snapshot/memory_file.h"
#include "vmm/config_json.h"
#include "vmm/snapshot/saved_memory.h"
#include "vmm/snapshot/snapshot_files.h"
#include "vmm/snapshot/working_set.h"
#include "vmm/snapshot/written_pages.h"
#include "vmm/virtual_machine_builder.h"

namespace ember::vmm {
namespace {

// What a state file says of it may be anything: RAM and device registers must stay as they are.
Status CheckInside(const DeviceMemoryState& memory, const GuestRange& space) {
  const uint64_t start = ToInteger(memory.start);
  const uint64_t first = ToInteger(space.start);
  const bool inside = start >= first && memory.size_bytes <= space.size_bytes &&
                      start - first <= space.size_bytes - memory.size_bytes;
  if (inside) return {};
  return Error(Concat("memory of ", memory.size_bytes, " bytes at ", Hex{start},
                      " is not where devices of this host can have it, ", space.size_bytes,
                      " bytes at ", Hex{first}));
}

Status CheckPmem(const DeviceStates& states, const GuestRange& space) {
  for (const VirtioState& device : states.devices) {
    if (device.type != static_cast<uint32_t>(virtio::DeviceId::kPmem)) continue;
    if (!device.memory) return Error(Concat("pmem ", device.id, " has no memory in the snapshot"));
    TRY_CONTEXT(CheckInside(*device.memory, space), Concat("pmem ", device.id));
  }
  return {};
}

// For messages.
std::string Origin(const SnapshotLoad& load) {
  return load.handed != nullptr ? "a running machine" : load.snapshot_path;
}

Result<SavedMachine> ReadState(const SnapshotLoad& load) {
  if (load.handed == nullptr) return ReadMachineState(load.snapshot_path);
  TRY(CheckSealed(*load.handed));
  SavedMachine state = TRY(ReadMachineState(load.handed->state, "of a running machine"));
  if (!state.diff) return state;
  return Error("the state of a running machine is that of a diff");
}

}  // namespace

Result<std::unique_ptr<Machine>> VirtualMachine::Restore(const SnapshotLoad& load,
                                                         const VmConfig& own,
                                                         const MachineHost& host) {
  const SavedMachine state = TRY(ReadState(load));
  VmConfig config =
      TRY_CONTEXT(ParseSavedConfig(state.config), Concat(Origin(load), ": the configuration"));
  TRY(Override(config, load));
  config.serial = own.serial;
  if (own.lifecycle) config.lifecycle = own.lifecycle;
  return Builder(std::move(config), host).Restore(state, load);
}

Result<std::unique_ptr<Machine>> VirtualMachine::Builder::Restore(const SavedMachine& state,
                                                                  const SnapshotLoad& load) {
  TRY(OpenSystem());
  TRY(kvm::CheckStateCapabilities(*machine_->system_));
  const GuestRange device_memory = TRY(DeviceMemory());
  TRY(CheckPmem(state.devices, device_memory));
  if (state.pluggable) {
    TRY_CONTEXT(CheckInside(*state.pluggable, device_memory), "memory-hotplug");
  }
  const auto pluggable = TRY(PluggableOf(state, config_));
  TRY(AllocateMemory(pluggable));
  TRY(LoadMemory(state, load));
  machine_->vm_ = TRY(kvm::Vm::Create(*machine_->system_, *machine_->memory_));
  // What was loaded is no change of it.
  if (config_.machine.track_dirty_pages) {
    TRY(TakeWrittenPages(*machine_->memory_, *machine_->vm_));
  }
  machine_->restored_from_ = state.name;
  // A running machine's state is in no file that a diff could be based on.
  if (load.handed == nullptr) {
    machine_->saved_ = {.last = state.name, .full = state.diff ? state.diff->full : state.name};
  }
  TRY(AddBoard(state.board));
  TRY(AddDevices(AddressAllocator(device_memory), &state.devices));
  auto vcpus = TRY(RestoreVcpus(state));
  TRY(kvm::RestoreControllers(
      *machine_->vm_, state.controllers,
      load.clock_realtime ? kvm::ClockMode::kAdvanced : kvm::ClockMode::kAsSaved));
  TRY(machine_->devices_->RestoreDrivers());
  machine_->board_->RepeatInterrupts();
  machine_->devices_->TellDrivers(load.overrides);
  TRY(BeginGeneration());
  TRY(StartThreads(std::move(vcpus)));
  if (machine_->host_.before_guest) TRY(machine_->host_.before_guest(config_));
  EMBER_LOG(kInfo, "the machine was restored from ", Origin(load));
  if (load.resume_vm) TRY(machine_->Resume());
  return std::unique_ptr<Machine>(std::move(machine_));
}

Status VirtualMachine::Builder::LoadMemory(const SavedMachine& state,
                                           const SnapshotLoad& load) const {
  if (load.memory.backend_type == MemoryBackendType::kUffd) {
    return LoadMemoryByFaults(state, load.memory.backend_path);
  }
  if (load.handed != nullptr) {
    machine_->loaded_memory_ = load.handed->memory;
    return snapshot::LoadMemory(*machine_->memory_, *load.handed->memory, "of a running machine");
  }
  const SnapshotPaths paths{.state = load.snapshot_path, .memory = load.memory.backend_path};
  MemoryFile memory =
      TRY(OpenMemoryFile(paths, state, *machine_->memory_, Board::snapshot_names()));
  if (load.memory.record_working_set) return RecordMemory(std::move(memory));
  std::optional<snapshot::PageBits> pages;
  if (const auto& path = load.memory.working_set_path) {
    const auto pieces = snapshot::PiecesOf(*machine_->memory_);
    pages = TRY_CONTEXT(ReadWorkingSet(*path, state.name, pieces), "working_set_path");
  }
  TRY(snapshot::LoadMemory(*machine_->memory_, memory.file, memory.path));
  machine_->loaded_memory_ = std::make_shared<const Fd>(std::move(memory.file));
  if (!pages) return {};
  const uint64_t fetched =
      TRY_CONTEXT(snapshot::FetchPages(*machine_->memory_, *pages, *machine_->loaded_memory_),
                  Concat("memory file ", memory.path));
  EMBER_LOG(kInfo, "the working set was read: ", fetched, " bytes");
  return {};
}

Status VirtualMachine::Builder::RecordMemory(MemoryFile file) const {
  const GuestMemory& memory = *machine_->memory_;
  TRY(snapshot::CheckLength(memory, file.file, file.path));
  machine_->loaded_memory_ = std::make_shared<const Fd>(std::move(file.file));
  const auto end = [&machine = *machine_, path = std::move(file.path)](const Error& error) {
    machine.PostEnd({.exit_code = ExitCode::kGenericError,
                     .reason = Concat("memory file ", path, ": ", error.message())});
  };
  machine_->recorder_ = TRY_CONTEXT(
      WorkingSetRecorder::Start(memory, *machine_->loaded_memory_, end), "record_working_set");
  return {};
}

// The first page that is asked for is that of the snapshot's name.
Status VirtualMachine::Builder::LoadMemoryByFaults(const SavedMachine& state,
                                                   const std::string& socket_path) const {
  const GuestMemory& memory = *machine_->memory_;
  const NamePlaces names = Board::snapshot_names();
  machine_->page_fault_handler_.emplace(TRY(PageFaultHandler::Engage(socket_path, memory)));
  TRY(machine_->page_fault_handler_->AwaitPage(memory, names.name));
  return CheckNames(memory, state, names, Concat("what the handler at ", socket_path, " delivers"));
}

Result<std::vector<std::unique_ptr<kvm::Vcpu>>> VirtualMachine::Builder::RestoreVcpus(
    const SavedMachine& state) const {
  if (state.vcpus.size() != config_.machine.vcpu_count) {
    return Error(Concat("the snapshot has ", state.vcpus.size(), " vCPUs, its configuration ",
                        config_.machine.vcpu_count));
  }
  std::vector<std::unique_ptr<kvm::Vcpu>> vcpus;
  for (uint32_t i = 0; i < config_.machine.vcpu_count; ++i) {
    vcpus.push_back(TRY(machine_->vm_->CreateVcpu(kvm::VcpuIndex{i})));
  }
  for (uint32_t i = 0; i < config_.machine.vcpu_count; ++i) {
    TRY(kvm::RestoreVcpu(*machine_->system_, *machine_->vm_, *vcpus[i], state.vcpus[i].parts));
  }
  return vcpus;
}

Status VirtualMachine::Builder::BeginGeneration() const {
  const SnapshotName id = TRY(MakeSnapshotName());
  TRY(machine_->memory_->WriteBytes(Board::snapshot_names().name, id));
  // Any program of the guest may read the clock's, from which the id must not follow.
  const SnapshotName random = TRY(MakeSnapshotName());
  return machine_->board_->BeginGeneration(*machine_->memory_, LoadLe<uint64_t>(random));
}

}  // namespace ember::vmm
