#include "vmm/running_controller.h"

namespace ember::vmm {

Status RunningController::Perform(const Action& action) {
  return std::visit([this](const auto& alternative) { return Do(alternative); }, action);
}

Status RunningController::Do(const PauseVm&) {
  TRY(machine_->Pause());
  paused_ = true;
  return {};
}

Status RunningController::Do(const ResumeVm&) {
  TRY(machine_->Resume());
  paused_ = false;
  return {};
}

Status RunningController::Do(const SendCtrlAltDel&) { return machine_->SendCtrlAltDel(); }

Status RunningController::Do(const FlushMetrics&) {
  return Error("No metrics file is configured, so there is nowhere to flush metrics to.");
}

template <typename Other>
Status RunningController::Do(const Other&) {
  return Error("The requested operation is not supported after starting the microVM.");
}

}  // namespace ember::vmm
