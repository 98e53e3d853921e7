#ifndef EMBER_VMM_PREBOOT_CONTROLLER_H_
#define EMBER_VMM_PREBOOT_CONTROLLER_H_

#include <memory>
#include <utility>

#include "base/result.h"
#include "vmm/action.h"
#include "vmm/config.h"
#include "vmm/machine.h"

namespace ember::vmm {

// What a client can do before the machine runs: describe it. Each change is checked whole and then
// made whole. Loop thread.
class PrebootController {
 public:
  explicit PrebootController(MachineFactory factory) : factory_(std::move(factory)) {}
  // With the configuration of a machine that was.
  PrebootController(MachineFactory factory, VmConfig config)
      : factory_(std::move(factory)), config_(std::move(config)), describes_machine_(true) {}

  // Carries out one action other than the next two. An error leaves everything as it was.
  Status Perform(const Action& action);
  // InstanceStart: the running machine. After an error the configuration is as before, to be mended
  // and tried again.
  Result<std::unique_ptr<Machine>> Start();
  // LoadSnapshot: the restored machine. The same.
  Result<std::unique_ptr<Machine>> Load(const SnapshotLoad& load);

  const VmConfig& config() const { return config_; }

 private:
  Status Do(const PutMachineConfig& action);
  Status Do(const PatchMachineConfig& action);
  Status Do(const PutCpuConfig& action);
  Status Do(const PutBootSource& action);
  Status Do(const PutDrive& action);
  Status Do(const PutNetworkInterface& action);
  Status Do(const PutSerial& action);
  Status Do(const PutPmem& action);
  Status Do(const PutBalloon& action);
  Status Do(const PutEntropy& action);
  Status Do(const PutConsole& action);
  Status Do(const PutVsock& action);
  Status Do(const PutMemoryHotplug& action);
  Status Do(const PutMmdsConfig& action);
  Status Do(const PutLifecycle& action);
  // What needs a machine.
  template <typename Other>
  Status Do(const Other&);

  Status SetMachine(const MachineConfig& machine);

  const MachineFactory factory_;
  VmConfig config_;
  bool describes_machine_ = false;  // a client has said what the machine is to be
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_PREBOOT_CONTROLLER_H_
