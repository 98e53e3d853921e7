#include "vmm/controller.h"

#include <chrono>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "sandbox/confinement.h"
#include "vmm/action_events.h"

namespace ember::vmm {
namespace {

std::string_view EventOf(EndCause cause) {
  switch (cause) {
    case EndCause::kPowerOff:
      return "guest_powered_off";
    case EndCause::kReboot:
      return "guest_rebooted";
    case EndCause::kPanic:
      return "guest_panicked";
    case EndCause::kTripleFault:
      return "guest_crashed";
    case EndCause::kFailure:
      break;
  }
  return "failed";
}

EndPolicy PolicyFor(EndCause cause, const LifecycleConfig& lifecycle) {
  switch (cause) {
    case EndCause::kPowerOff:
      return lifecycle.on_halt;
    case EndCause::kReboot:
      return lifecycle.on_reboot;
    case EndCause::kPanic:
      return lifecycle.on_panic;
    case EndCause::kTripleFault:
      return lifecycle.on_crash;
    case EndCause::kFailure:
      break;
  }
  return EndPolicy::kExit;  // whatever it was, it would most likely happen again
}

}  // namespace

Controller::Controller(EventLoop& loop, MachineFactory factory, size_t metadata_limit_bytes,
                       std::string instance_id)
    : loop_(loop),
      factory_(std::move(factory)),
      metadata_(metadata_limit_bytes),
      loop_entry_(vitals_.AddLoop("loop", loop)),
      reporter_(loop, metrics_, metadata_.metrics, std::move(instance_id)),
      phase_(std::in_place_type<PrebootController>, factory_),
      snapshot_(std::make_shared<const Snapshot>()) {}

Controller::~Controller() { reporter_.End(); }

void Controller::Perform(Action action, Done done) {
  loop_.Post([this, action = std::move(action), done = std::move(done)] {
    if (const auto* fork = std::get_if<ForkMachine>(&action)) return Fork(*fork, done);
    done(PerformHere(action));
  });
}

void Controller::Fork(const ForkMachine& action, Done done) {
  auto* const running = std::get_if<RunningController>(&phase_);
  if (running == nullptr) return done(PerformHere(action));
  if (forking_) return done(Error("A fork is under way; there is one at a time."));
  if (Status can = running->CheckFork(action.request); !can) {
    return done(std::move(can).error().WithContext("Fork error"));
  }
  Forking::Steps steps{.forget_page_tables = [this, machine = machines_](
                                                 uint64_t offset_bytes) -> std::optional<uint64_t> {
                         auto* const parent = std::get_if<RunningController>(&phase_);
                         if (parent == nullptr || machine != machines_) return std::nullopt;
                         return parent->ForgetPageTables(offset_bytes);
                       },
                       .freeze = [this, machine = machines_,
                                  request = action.request] { return Freeze(machine, request); }};
  forking_ = std::make_unique<Forking>(
      loop_, action.request, std::move(steps),
      [this, done = std::move(done)](const Result<Forking::Outcome>& outcome) {
        const auto ended = std::move(forking_);
        if (!outcome) return done(Error(outcome.error()).WithContext("Fork error"));
        journal_.Append("forked", {{"clones", uint64_t{outcome->clones}}});
        done(Reply{.json = outcome->answer, .prometheus = {}});
      });
  forking_->Begin();
}

// It may have ended since, be another one, or have other devices.
Result<FrozenMachine> Controller::Freeze(uint64_t machine, const ForkRequest& request) {
  auto* const running = std::get_if<RunningController>(&phase_);
  if (running == nullptr || machine != machines_) return Error("the machine has ended");
  TRY(running->CheckFork(request));
  const MachineState state_before = state();
  vitals_.BeginAction();
  Result<FrozenMachine> frozen = running->Freeze();
  vitals_.EndAction();
  if (!frozen) {  // it may stand still
    Publish();
    NoteState(state_before);
  }
  return frozen;
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
  if (!std::holds_alternative<ResetInPlace>(action)) NoteState(state_before);
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
  if (std::holds_alternative<GetMetrics>(action)) {
    return Reply{.prometheus = reporter_.Prometheus()};
  }
  if (auto* running = std::get_if<RunningController>(&phase_)) {
    if (!std::holds_alternative<ResetInPlace>(action) &&
        !std::holds_alternative<FlushMetrics>(action)) {
      return running->Perform(action);
    }
    TRY(std::holds_alternative<ResetInPlace>(action) ? Reset() : reporter_.Flush());
    return Reply{};
  }
  TRY(DispatchPreboot(std::get<PrebootController>(phase_), action));
  return Reply{};
}

Status Controller::DispatchPreboot(PrebootController& preboot, const Action& action) {
  if (std::holds_alternative<InstanceStart>(action)) return Start(preboot);
  if (const auto* snapshot = std::get_if<LoadSnapshot>(&action)) {
    return Load(preboot, snapshot->load);
  }
  Status configured;
  // After a reset that failed this thread opens no files any more.
  sandbox::RunOnWorker([&] { configured = Configure(preboot, action); });
  return configured;
}

Status Controller::Configure(PrebootController& preboot, const Action& action) {
  if (const auto* put = std::get_if<PutLogger>(&action)) return logger_.Configure(put->logger);
  if (const auto* put = std::get_if<PutMetrics>(&action)) return reporter_.Configure(put->metrics);
  return preboot.Perform(action);
}

Status Controller::Start(PrebootController& preboot) {
  Enter(TRY(preboot.Start()));
  return {};
}

Status Controller::Load(PrebootController& preboot, const SnapshotLoad& load) {
  const std::chrono::nanoseconds begin = MonotonicClock().Now();
  RunningController& running = Enter(TRY(preboot.Load(load)));
  if (!load.resume_vm) running.NotePaused();
  metrics_.latencies.vmm_load_snapshot.Set(MicrosecondsSince(begin));
  return {};
}

RunningController& Controller::Enter(std::unique_ptr<Machine> machine) {
  ++machines_;
  reporter_.Start(machine->metrics());
  return phase_.emplace<RunningController>(std::move(machine), metrics_.latencies);
}

Status Controller::Reset() {
  VmConfig config = std::get<RunningController>(phase_).config();
  if (!config.boot_source) {
    return Error("The machine was restored from a snapshot, and has no kernel to start anew.");
  }
  // The old machine first: it has the files, taps and sockets that the new one opens.
  reporter_.EndMachine();
  auto& preboot = phase_.emplace<PrebootController>(factory_, std::move(config));
  Status started = Start(preboot);
  if (!started) journal_.Append("reset_failed", {{"reason", started.error().message()}});
  return started;
}

bool Controller::OnGuestEnd(const MachineEnd& end, std::function<void(const Error&)> on_failure) {
  auto* const running = std::get_if<RunningController>(&phase_);
  if (running == nullptr) return false;
  const LifecycleConfig lifecycle = running->config().lifecycle.value_or(LifecycleConfig{});
  // Where it is reset, the guest can do that as often as it likes.
  if (PolicyFor(end.cause, lifecycle) == EndPolicy::kReset) {
    journal_.AppendLimited(EventOf(end.cause), {{"reason", end.reason}});
  } else {
    journal_.Append(EventOf(end.cause), {{"reason", end.reason}});
  }
  switch (ChooseEnd(end.cause, lifecycle)) {
    case EndPolicy::kExit:
      return false;
    case EndPolicy::kPause:
      running->NotePaused();
      Publish();
      journal_.Append("paused");
      return true;
    case EndPolicy::kReset:
      break;
  }
  // Later: the machine is on the stack.
  loop_.Post([this, number = machines_, on_failure = std::move(on_failure)] {
    if (number != machines_ || !std::holds_alternative<RunningController>(phase_)) return;
    const Status reset = Reset();
    Publish();
    if (!reset) return on_failure(reset.error());
    journal_.AppendLimited("reset");
  });
  return true;
}

EndPolicy Controller::ChooseEnd(EndCause cause, const LifecycleConfig& lifecycle) {
  const EndPolicy policy = PolicyFor(cause, lifecycle);
  if (policy != EndPolicy::kReset || !lifecycle.resets_per_minute) return policy;
  if (resets_.Admit(*lifecycle.resets_per_minute, MonotonicClock().Now())) return policy;
  journal_.Append("reset_limit_reached",
                  {{"resets_per_minute", uint64_t{*lifecycle.resets_per_minute}}});
  return EndPolicy::kExit;
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
