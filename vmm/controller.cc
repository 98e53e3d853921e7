#include "vmm/controller.h"

#include <optional>
#include <utility>

namespace ember::vmm {

// One Perform() under way, shared by the thread that waits and the loop.
struct Controller::Call {
  Action action;
  std::optional<Status> outcome;  // guarded by the controller's mutex_
};

Controller::Controller(EventLoop& loop, MachineFactory factory)
    : loop_(loop), phase_(std::in_place_type<PrebootController>, std::move(factory)) {}

Controller::~Controller() = default;

Status Controller::Perform(Action action) {
  const auto call = std::make_shared<Call>();
  call->action = std::move(action);
  loop_.Post([this, call] {
    Status outcome = PerformHere(call->action);
    const MutexLock lock(mutex_);
    call->outcome = std::move(outcome);
    changed_.NotifyAll();
  });
  const MutexLock lock(mutex_);
  while (!call->outcome && !closed_) changed_.Wait(mutex_);
  if (!call->outcome) return Error("The machine is ending.");
  return *call->outcome;
}

Status Controller::PerformHere(const Action& action) {
  Status outcome = Dispatch(action);
  Publish();
  return outcome;
}

Status Controller::Dispatch(const Action& action) {
  if (auto* running = std::get_if<RunningController>(&phase_)) return running->Perform(action);
  auto& preboot = std::get<PrebootController>(phase_);
  if (!std::holds_alternative<InstanceStart>(action)) return preboot.Perform(action);
  std::unique_ptr<Machine> machine = TRY(preboot.Start());
  config_ = preboot.config();
  phase_.emplace<RunningController>(std::move(machine));
  return {};
}

void Controller::Publish() {
  Snapshot now;
  if (const auto* running = std::get_if<RunningController>(&phase_)) {
    now.state = running->paused() ? MachineState::kPaused : MachineState::kRunning;
    now.config = config_;
  } else {
    now.config = std::get<PrebootController>(phase_).config();
  }
  const MutexLock lock(mutex_);
  snapshot_ = std::move(now);
}

void Controller::Close() {
  const MutexLock lock(mutex_);
  closed_ = true;
  changed_.NotifyAll();
}

Controller::Snapshot Controller::snapshot() const {
  const MutexLock lock(mutex_);
  return snapshot_;
}

MachineState Controller::state() const {
  const MutexLock lock(mutex_);
  return snapshot_.state;
}

}  // namespace ember::vmm
