// A VirtualMachine that clones are made of: docs/fork.md.
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "base/concat.h"
#include "base/fd.h"
#include "kvm/saved_state.h"
#include "snapshot/memory_file.h"
#include "vmm/snapshot/snapshot_files.h"
#include "vmm/virtual_machine.h"

namespace ember::vmm {
namespace {

// Some 2 ms where every page was touched and KVM works in software: devices wait no longer.
constexpr uint64_t kPieceBytes = uint64_t{4} << 20;

}  // namespace

// Asks KVM nothing: the thread that is asked may not.
Status VirtualMachine::CheckFork(const ForkRequest& request) const {
  if (memory_->pluggable() != nullptr) {
    return Error("a machine with memory-hotplug cannot be forked");
  }
  for (const DriveConfig& drive : config_.drives) {
    if (!drive.socket) continue;
    return Error(Concat("drive ", drive.drive_id,
                        " has a back end behind a socket, which has the memory too"));
  }
  if (config_.machine.huge_pages != HugePages::kNone) {
    return Error("a machine with huge_pages cannot be forked");
  }
  if (page_fault_handler_) {
    return Error("a machine whose memory a page-fault handler delivers cannot be forked");
  }
  if (recorder_ != nullptr) {
    return Error("a machine whose working set is recorded cannot be forked");
  }
  return CheckClones(config_, request);
}

std::optional<uint64_t> VirtualMachine::ForgetPageTables(uint64_t offset_bytes) {
  if (!memory_->can_freeze()) return std::nullopt;
  if (memory_->ForgetPageTables(offset_bytes, kPieceBytes)) return offset_bytes + kPieceBytes;
  return std::nullopt;
}

Result<HandedMachine> VirtualMachine::Freeze() {
  TRY(kvm::CheckStateCapabilities(*system_));
  // What they do in coming to rest shows in memory and in interrupt controllers.
  DeviceSet::AtRest at_rest = TRY(devices_->Rest());
  const SavedMachine state = TRY(SaveState(at_rest));
  const std::vector<std::byte> bytes = TRY(EncodeMachineState(state));
  Fd sealed_state = TRY(SealedFile(bytes));
  return HandedMachine{.state = std::move(sealed_state), .memory = TRY(FreezeMemory())};
}

// What was written since the memory was frozen or mapped from a file is in no file: a copy has it.
Result<std::shared_ptr<const Fd>> VirtualMachine::FreezeMemory() {
  if (memory_->can_freeze()) {
    loaded_memory_ = std::make_shared<const Fd>(TRY(memory_->Freeze()));
    return loaded_memory_;
  }
  const auto write = [this](const Fd& file) -> Status {
    TRY(snapshot::WriteMemory(*memory_, file, {.file = loaded_memory_.get()}));
    return {};
  };
  Fd copy = TRY(SealedFile("guest-memory", write));
  return std::make_shared<const Fd>(std::move(copy));
}

}  // namespace ember::vmm
