#include "vmm/running_controller.h"

#include <chrono>
#include <string_view>

#include "base/clock.h"
#include "base/concat.h"
#include "sandbox/confinement.h"

namespace ember::vmm {

Result<Reply> RunningController::Perform(const Action& action) {
  return std::visit([this](const auto& alternative) { return Do(alternative); }, action);
}

Result<Reply> RunningController::Do(const PauseVm&) {
  const std::chrono::nanoseconds begin = MonotonicClock().Now();
  TRY(machine_->Pause());
  latencies_.vmm_pause_vm.Set(MicrosecondsSince(begin));
  paused_ = true;
  return Reply{};
}

Result<Reply> RunningController::Do(const ResumeVm&) {
  const std::chrono::nanoseconds begin = MonotonicClock().Now();
  TRY(machine_->Resume());
  latencies_.vmm_resume_vm.Set(MicrosecondsSince(begin));
  paused_ = false;
  return Reply{};
}

Result<Reply> RunningController::Do(const CreateSnapshot& action) {
  const SnapshotCreation& creation = action.creation;
  if (!paused_) {
    return Error(
        "Create snapshot error: Cannot save the microVM state: Operation not allowed: save/restore "
        "unavailable while running");
  }
  const std::chrono::nanoseconds begin = MonotonicClock().Now();
  TRY_CONTEXT(Validate(creation), "Create snapshot error");
  Status saved;
  // No vCPU runs, and so none that has a device waits for the worker.
  sandbox::RunOnWorker([&] { saved = machine_->Save(creation); });
  TRY_CONTEXT(std::move(saved), "Create snapshot error");
  const bool is_diff = creation.snapshot_type == SnapshotType::kDiff;
  (is_diff ? latencies_.vmm_diff_create_snapshot : latencies_.vmm_full_create_snapshot)
      .Set(MicrosecondsSince(begin));
  return Reply{};
}

Result<FrozenMachine> RunningController::Freeze() {
  const std::chrono::nanoseconds begin = MonotonicClock().Now();
  if (!paused_) TRY(machine_->Pause());
  Result<HandedMachine> frozen = HandedMachine{};
  // As for a snapshot.
  sandbox::RunOnWorker([&] { frozen = machine_->Freeze(); });
  if (!paused_) {
    // A client may try again.
    paused_ = true;
    TRY(machine_->Resume());
    paused_ = false;
  }
  if (!frozen) return std::move(frozen).error();
  return FrozenMachine{.machine = *std::move(frozen), .pause = MonotonicClock().Now() - begin};
}

Result<Reply> RunningController::Do(const SaveWorkingSet& action) {
  constexpr std::string_view kFailed = "Save working set error";
  // As of a snapshot: no vCPU may wait for the worker.
  if (!paused_) {
    return Error(
        Concat(kFailed, ": Operation not allowed: save/restore unavailable while running"));
  }
  TRY_CONTEXT(Validate(action.file), kFailed);
  Status saved;
  sandbox::RunOnWorker([&] { saved = machine_->SaveWorkingSet(action.file.working_set_path); });
  TRY_CONTEXT(std::move(saved), kFailed);
  return Reply{};
}

Result<Reply> RunningController::Do(const SendCtrlAltDel&) {
  TRY(machine_->SendCtrlAltDel());
  return Reply{};
}

Result<Reply> RunningController::Do(const PressPowerButton&) {
  machine_->PressPowerButton();
  return Reply{};
}

Result<Reply> RunningController::Do(const DeviceAction& action) {
  return machine_->Perform(action);
}

template <typename Other>
Result<Reply> RunningController::Do(const Other&) {
  return Error("The requested operation is not supported after starting the microVM.");
}

}  // namespace ember::vmm
