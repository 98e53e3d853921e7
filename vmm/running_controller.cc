#include "vmm/running_controller.h"

namespace ember::vmm {

Result<Reply> RunningController::Perform(const Action& action) {
  return std::visit([this](const auto& alternative) { return Do(alternative); }, action);
}

Result<Reply> RunningController::Do(const PauseVm&) {
  TRY(machine_->Pause());
  paused_ = true;
  return Reply{};
}

Result<Reply> RunningController::Do(const ResumeVm&) {
  TRY(machine_->Resume());
  paused_ = false;
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

Result<Reply> RunningController::Do(const FlushMetrics&) {
  return Error("No metrics file is configured, so there is nowhere to flush metrics to.");
}

template <typename Other>
Result<Reply> RunningController::Do(const Other&) {
  return Error("The requested operation is not supported after starting the microVM.");
}

}  // namespace ember::vmm
