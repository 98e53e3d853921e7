#ifndef EMBER_VMM_CONTROLLER_H_
#define EMBER_VMM_CONTROLLER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/event_loop.h"
#include "base/journal.h"
#include "base/result.h"
#include "base/thread_annotations.h"
#include "mmds/metadata.h"
#include "vmm/action.h"
#include "vmm/config.h"
#include "vmm/fork/forking.h"
#include "vmm/lifecycle/reset_rate.h"
#include "vmm/logger/logger.h"
#include "vmm/machine.h"
#include "vmm/machine_end.h"
#include "vmm/metrics/control_metrics.h"
#include "vmm/metrics/metrics_reporter.h"
#include "vmm/preboot_controller.h"
#include "vmm/running_controller.h"
#include "vmm/vitals.h"

namespace ember::vmm {

enum class MachineState : uint8_t { kNotStarted, kRunning, kPaused };

// How the process ends, as clients are told last of all.
struct ProcessEnd {
  std::string reason;  // a sentence
  int exit_code = 0;
};

// The machine of this process, before and after its start. Actions are carried out on the loop
// thread, which owns both phases; questions are answered on the thread that asks, from a copy that
// is renewed after each action. So a question never waits for the machine, and nobody waits for an
// action: its outcome is called back.
//
//   Controller controller(loop, {.build = BuildMachine, .restore = RestoreMachine});
//   controller.Perform(InstanceStart{}, [](const Status& outcome) { … });
class Controller {
 public:
  // What a client may ask about. Constant once published.
  struct Snapshot {
    MachineState state = MachineState::kNotStarted;
    VmConfig config;
    std::optional<ProcessEnd> end;  // there once the process is about to end
  };
  // Called once, on the loop thread.
  using Done = std::function<void(const Result<Reply>& outcome)>;

  // The loop must outlive the controller. The last two are the most bytes of metadata, and the
  // machine's id, for its metrics.
  Controller(EventLoop& loop, MachineFactory factory,
             size_t metadata_limit_bytes = mmds::DataStore::kDefaultLimitBytes,
             std::string instance_id = {});
  // While the loop does not run. Ends the machine.
  ~Controller();
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  // Has the loop thread carry out the action, after those asked for before, and then call `done`.
  // If the loop ends first, neither happens and `done` is destroyed with the loop. Any thread.
  void Perform(Action action, Done done);
  // Carries it out at once: on the loop thread, or while the loop does not run.
  Result<Reply> PerformHere(const Action& action) EXCLUDES(mutex_);

  // The metadata of the machine: there before it, and changed without it. Any thread.
  mmds::Metadata& metadata() { return metadata_; }

  // The guest has ended, and its machine is paused. Does what the configuration's policy says:
  // leaves it so, or has the loop reset it; false where the process is to end. `on_failure` is
  // called if the reset fails. As PerformHere().
  bool OnGuestEnd(const MachineEnd& end, std::function<void(const Error&)> on_failure)
      EXCLUDES(mutex_);

  // Never null. Any thread.
  std::shared_ptr<const Snapshot> snapshot() const EXCLUDES(mutex_);

  // What has happened. A record is there after the snapshot that shows its effect. Any thread.
  Journal& journal() { return journal_; }
  const Journal& journal() const { return journal_; }
  // How its threads are. Any thread.
  Vitals& vitals() { return vitals_; }
  const Vitals& vitals() const { return vitals_; }
  // Writes the last record, "ended". As PerformHere().
  void NoteEnd(ProcessEnd end) EXCLUDES(mutex_);
  // What is counted of the process and its clients. Any thread.
  ControlMetrics& metrics() const { return metrics_; }

 private:
  // What an action comes to that is answered later.
  void Fork(const ForkMachine& action, Done done);
  Result<FrozenMachine> Freeze(uint64_t machine, const ForkRequest& request);
  Result<Reply> Dispatch(const Action& action);
  Status DispatchPreboot(PrebootController& preboot, const Action& action);
  Status Configure(PrebootController& preboot, const Action& action);
  // Ends the machine and starts another one like it. After an error there is none, and the
  // configuration can be mended and started.
  Status Reset();
  Status Start(PrebootController& preboot);
  Status Load(PrebootController& preboot, const SnapshotLoad& load);
  // From here on there is a machine.
  RunningController& Enter(std::unique_ptr<Machine> machine);
  const VmConfig& config() const;
  MachineState state() const;
  void Publish() EXCLUDES(mutex_);
  void NoteState(MachineState before);
  // What is to become of a machine whose guest ended so.
  EndPolicy ChooseEnd(EndCause cause, const LifecycleConfig& lifecycle);

  EventLoop& loop_;
  const MachineFactory factory_;
  Journal journal_;
  mmds::Metadata metadata_;  // before the machine, whose devices read it
  Vitals vitals_;
  const Vitals::Entry loop_entry_;
  mutable ControlMetrics metrics_;  // atomics, which who may only look at the rest counts in too

  // Loop thread. The reporter borrows from the machine.
  Logger logger_;
  MetricsReporter reporter_;
  std::variant<PrebootController, RunningController> phase_;
  std::optional<ProcessEnd> end_;
  uint64_t machines_ = 0;             // how many were started
  ResetRate resets_;                  // that guests caused
  std::unique_ptr<Forking> forking_;  // null: no fork is under way

  mutable Mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_ GUARDED_BY(mutex_);
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_CONTROLLER_H_
