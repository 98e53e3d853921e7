#include "vmm/controller.h"

#include <utility>

#include "vmm/action_events.h"

namespace ember::vmm {

Controller::Controller(EventLoop& loop, MachineFactory factory, size_t metadata_limit_bytes)
    : loop_(loop),
      metadata_(metadata_limit_bytes),
      loop_entry_(vitals_.AddLoop("loop", loop)),
      phase_(std::in_place_type<PrebootController>, std::move(factory)),
      snapshot_(std::make_shared<const Snapshot>()) {}

Controller::~Controller() = default;

void Controller::Perform(Action action, Done done) {
  loop_.Post(
      [this, action = std::move(action), done = std::move(done)] { done(PerformHere(action)); });
}

Result<Reply> Controller::PerformHere(const Action& action) {
  const VmConfig config_before = config();
  const MachineState state_before = state();
  vitals_.BeginAction();
  Result<Reply> outcome = Dispatch(action);
  vitals_.EndAction();
  // Before anyone learns of the outcome, so that who asks next sees what it changed.
  Publish();
  if (outcome) Record(action, config_before, journal_);
  NoteState(state_before);
  return outcome;
}

void Controller::NoteEnd(ProcessEnd end) {
  end_ = end;
  Publish();
  journal_.Append("ended", {{"reason", std::move(end.reason)},
                            {"exit_code", static_cast<uint64_t>(end.exit_code)}});
}

// Pausing and resuming, which may have changed nothing.
void Controller::NoteState(MachineState before) {
  const MachineState now = state();
  if (before == MachineState::kRunning && now == MachineState::kPaused) journal_.Append("paused");
  if (before == MachineState::kPaused && now == MachineState::kRunning) journal_.Append("resumed");
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

const VmConfig& Controller::config() const {
  if (const auto* running = std::get_if<RunningController>(&phase_)) return running->config();
  return std::get<PrebootController>(phase_).config();
}

MachineState Controller::state() const {
  const auto* running = std::get_if<RunningController>(&phase_);
  if (running == nullptr) return MachineState::kNotStarted;
  return running->paused() ? MachineState::kPaused : MachineState::kRunning;
}

void Controller::Publish() {
  auto now = std::make_shared<Snapshot>();
  now->state = state();
  now->config = config();
  now->end = end_;
  const MutexLock lock(mutex_);
  snapshot_ = std::move(now);
}

std::shared_ptr<const Controller::Snapshot> Controller::snapshot() const {
  const MutexLock lock(mutex_);
  return snapshot_;
}

}  // namespace ember::vmm
