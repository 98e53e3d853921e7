#ifndef EMBER_VMM_RUNNING_CONTROLLER_H_
#define EMBER_VMM_RUNNING_CONTROLLER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "base/result.h"
#include "vmm/action.h"
#include "vmm/fork/forking.h"
#include "vmm/machine.h"
#include "vmm/metrics/control_metrics.h"

namespace ember::vmm {

// What a client can do with a machine that was started. Loop thread.
class RunningController {
 public:
  // The latter must outlive it.
  RunningController(std::unique_ptr<Machine> machine, LatencyMetrics& latencies)
      : machine_(std::move(machine)), latencies_(latencies) {}

  // Carries out one action. An error leaves everything as it was.
  Result<Reply> Perform(const Action& action);
  // The steps of a fork, as Machine has them; the second pauses the machine for as long as it
  // takes.
  Status CheckFork(const ForkRequest& request) const { return machine_->CheckFork(request); }
  std::optional<uint64_t> ForgetPageTables(uint64_t offset_bytes) {
    return machine_->ForgetPageTables(offset_bytes);
  }
  Result<FrozenMachine> Freeze();
  // The machine has paused by itself.
  void NotePaused() { paused_ = true; }
  bool paused() const { return paused_; }
  const VmConfig& config() const { return machine_->config(); }

 private:
  Result<Reply> Do(const PauseVm& action);
  Result<Reply> Do(const ResumeVm& action);
  Result<Reply> Do(const CreateSnapshot& action);
  Result<Reply> Do(const SaveWorkingSet& action);
  Result<Reply> Do(const SendCtrlAltDel& action);
  Result<Reply> Do(const PressPowerButton& action);
  Result<Reply> Do(const DeviceAction& action);
  // What describes a machine that is not there yet.
  template <typename Other>
  Result<Reply> Do(const Other&);

  const std::unique_ptr<Machine> machine_;
  LatencyMetrics& latencies_;
  bool paused_ = false;
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_RUNNING_CONTROLLER_H_
