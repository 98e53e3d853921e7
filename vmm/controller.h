#ifndef EMBER_VMM_CONTROLLER_H_
#define EMBER_VMM_CONTROLLER_H_

#include <memory>
#include <string>
#include <variant>

#include "base/event_loop.h"
#include "base/result.h"
#include "base/thread_annotations.h"
#include "vmm/action.h"
#include "vmm/config.h"
#include "vmm/machine.h"
#include "vmm/preboot_controller.h"
#include "vmm/running_controller.h"

namespace ember::vmm {

enum class MachineState : uint8_t { kNotStarted, kRunning, kPaused };

// The machine of this process, before and after its start, for the API's thread: hands actions to
// the loop thread, which owns both phases, and answers questions itself, from a copy made after
// each action. So a question never waits for the machine.
//
//   Controller controller(loop, BuildMachine…);
//   Status done = controller.Perform(InstanceStart{});        // the API's thread
class Controller {
 public:
  // What a client may ask about. A plain copy.
  struct Snapshot {
    MachineState state = MachineState::kNotStarted;
    VmConfig config;
  };

  // The loop must outlive the controller.
  Controller(EventLoop& loop, MachineFactory factory);
  // After the loop has ended and nobody waits in Perform(). Ends the machine.
  ~Controller();
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  // Has the loop thread carry out the action, and waits for it. Any thread but the loop's.
  Status Perform(Action action) EXCLUDES(mutex_);
  // The same on the loop thread, or before the loop runs.
  Status PerformHere(const Action& action) EXCLUDES(mutex_);
  // The loop has ended or will run nothing more: those who wait in Perform() get an error.
  void Close() EXCLUDES(mutex_);

  // Any thread.
  Snapshot snapshot() const EXCLUDES(mutex_);
  MachineState state() const EXCLUDES(mutex_);

 private:
  struct Call;
  Status Dispatch(const Action& action);
  void Publish() EXCLUDES(mutex_);

  EventLoop& loop_;

  // Loop thread.
  std::variant<PrebootController, RunningController> phase_;
  VmConfig config_;  // of the phase that runs

  mutable Mutex mutex_;
  CondVar changed_;  // closed_, or a call is done
  Snapshot snapshot_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_CONTROLLER_H_
