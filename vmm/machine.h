#ifndef EMBER_VMM_MACHINE_H_
#define EMBER_VMM_MACHINE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "vmm/action.h"
#include "vmm/config.h"
#include "vmm/fork/fork_request.h"
#include "vmm/fork/handed_machine.h"
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
  // Whether it can be forked so; the error says what is in the way. Nothing is changed.
  virtual Status CheckFork(const ForkRequest& request) const = 0;
  // Makes the next Freeze() quick, a piece at a time, while the guest runs: that at `offset_bytes`
  // of its memory. Returns where the next one is; nothing behind the last. Once CheckFork() says
  // yes.
  virtual std::optional<uint64_t> ForgetPageTables(uint64_t offset_bytes) = 0;
  // What clones are made of; it is paused, and goes on as if nothing had been. An error leaves all
  // as it was. Once CheckFork() says yes.
  virtual Result<HandedMachine> Freeze() = 0;
  // Writes a file of the pages that it has touched since it was restored; it is paused. An error:
  // it was not restored to be recorded, or the file cannot be made, and that which was there stays.
  virtual Status SaveWorkingSet(const std::string& path) = 0;
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
