#include "vmm/controller.h"

#include <utility>

namespace ember::vmm {

Controller::Controller(EventLoop& loop, MachineFactory factory)
    : loop_(loop),
      phase_(std::in_place_type<PrebootController>, std::move(factory)),
      snapshot_(std::make_shared<const Snapshot>()) {}

Controller::~Controller() = default;

void Controller::Perform(Action action, Done done) {
  loop_.Post(
      [this, action = std::move(action), done = std::move(done)] { done(PerformHere(action)); });
}

Result<Reply> Controller::PerformHere(const Action& action) {
  Result<Reply> outcome = Dispatch(action);
  // Before anyone learns of the outcome, so that who asks next sees what it changed.
  Publish();
  return outcome;
}

Result<Reply> Controller::Dispatch(const Action& action) {
  if (auto* running = std::get_if<RunningController>(&phase_)) return running->Perform(action);
  auto& preboot = std::get<PrebootController>(phase_);
  if (!std::holds_alternative<InstanceStart>(action)) {
    TRY(preboot.Perform(action));
    return Reply{};
  }
  std::unique_ptr<Machine> machine = TRY(preboot.Start());
  phase_.emplace<RunningController>(std::move(machine));
  return Reply{};
}

void Controller::Publish() {
  auto now = std::make_shared<Snapshot>();
  if (const auto* running = std::get_if<RunningController>(&phase_)) {
    now->state = running->paused() ? MachineState::kPaused : MachineState::kRunning;
    now->config = running->config();
  } else {
    now->config = std::get<PrebootController>(phase_).config();
  }
  const MutexLock lock(mutex_);
  snapshot_ = std::move(now);
}

std::shared_ptr<const Controller::Snapshot> Controller::snapshot() const {
  const MutexLock lock(mutex_);
  return snapshot_;
}

}  // namespace ember::vmm
