#ifndef EMBER_VMM_MACHINE_H_
#define EMBER_VMM_MACHINE_H_

#include <functional>
#include <memory>

#include "base/result.h"
#include "vmm/action.h"
#include "vmm/config.h"
#include "vmm/metrics/machine_metrics.h"
#include "vmm/reply.h"

namespace ember::vmm {

// A machine that was started, as its controller sees it. Loop thread.
class Machine {
 public:
  virtual ~Machine() = default;
  // After return no guest code runs. Harmless if it is paused.
  virtual Status Pause() = 0;
  // Harmless if it runs.
  virtual Status Resume() = 0;
  // Fails where no guest listens to the keyboard.
  virtual Status SendCtrlAltDel() = 0;
  // The guest hears of it, if it listens.
  virtual void PressPowerButton() = 0;
  // Asks something of a device. An error leaves everything as it was.
  virtual Result<Reply> Perform(const DeviceAction& action) = 0;
  // Writes a snapshot of it; it is paused, and as it was afterwards. An error leaves the files that
  // were there, unless only the last of their names could not be made durable.
  virtual Status Save(const SnapshotCreation& creation) = 0;
  // Where its parts count, for as long as it lives.
  virtual MachineMetrics metrics() const = 0;
  // What the machine was built from, with what was changed since.
  virtual const VmConfig& config() const = 0;
};

// What makes machines, or says why it could not and leaves nothing behind. Loop thread.
struct MachineFactory {
  // Builds a machine from a configuration and starts it.
  std::function<Result<std::unique_ptr<Machine>>(const VmConfig&)> build;
  // Makes the machine of a snapshot, paused unless the client wants it to run. Of the configuration
  // it takes what no snapshot has: the serial port's, and a policy where there is one.
  std::function<Result<std::unique_ptr<Machine>>(const SnapshotLoad&, const VmConfig&)> restore;
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_MACHINE_H_
