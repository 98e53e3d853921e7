#ifndef EMBER_VMM_VIRTUAL_MACHINE_H_
#define EMBER_VMM_VIRTUAL_MACHINE_H_

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/journal.h"
#include "base/result.h"
#include "devices/boot_timer.h"
#include "devices/vm_request.h"
#include "kvm/system.h"
#include "kvm/vm.h"
#include "memory/guest_memory.h"
#include "mmds/metadata.h"
#include "virtio/block/spare_rings.h"
#include "vmm/board.h"
#include "vmm/config.h"
#include "vmm/device_set.h"
#include "vmm/fork/fork_request.h"
#include "vmm/fork/handed_machine.h"
#include "vmm/machine.h"
#include "vmm/machine_end.h"
#include "vmm/snapshot/machine_state.h"
#include "vmm/snapshot/page_fault_handler.h"
#include "vmm/snapshot/working_set_recorder.h"
#include "vmm/vcpu_thread.h"
#include "vmm/vitals.h"

namespace ember::vmm {

// What the process gives its machine.
struct MachineHost {
  EventLoop& loop;  // these four outlive the machine
  mmds::Metadata& metadata;
  Journal& journal;
  Vitals& vitals;
  // Called on the loop thread when the guest has ended; no vCPU runs then. Once, unless the machine
  // is resumed after it.
  std::function<void(MachineEnd)> on_end;
  std::optional<BootTimer::Start> boot_timer;  // none: the guest gets no boot timer
  int console_input = -1;                      // borrowed while it builds; -1: none
  // Called when all is built, before the guest's first instruction; perhaps empty.
  std::function<Status(const VmConfig&)> before_guest;
  // Those of a machine before it, and for one after it; outlives the machine. Null: there are none.
  virtio::SpareRings* rings = nullptr;
};

// The machine itself: guest memory, the KVM machine, the board, virtio devices and vCPU threads.
// When the guest ends it, or a vCPU can go on no further, it pauses every vCPU, writes out the
// console and says so to its host, who destroys it or lets it be. Made, commanded and destroyed on
// the loop thread, while the loop runs or after (or made elsewhere while that thread waits);
// Request() comes from vCPU threads.
class VirtualMachine final : public Machine, private VmRequestSink {
 public:
  // Builds the machine of `config` and starts its guest. vmm/virtual_machine_builder.h.
  static Result<std::unique_ptr<Machine>> Build(const VmConfig& config, const MachineHost& host);

  // Makes the machine of a snapshot, as MachineFactory::restore.
  static Result<std::unique_ptr<Machine>> Restore(const SnapshotLoad& load, const VmConfig& own,
                                                  const MachineHost& host);

  ~VirtualMachine() override;

  Status Pause() override;
  Status Resume() override;
  Status SendCtrlAltDel() override;
  void PressPowerButton() override;
  Result<Reply> Perform(const DeviceAction& action) override;
  // vmm/snapshot/virtual_machine_save.cc.
  Status Save(const SnapshotCreation& creation) override;
  // vmm/fork/virtual_machine_fork.cc.
  Status CheckFork(const ForkRequest& request) const override;
  std::optional<uint64_t> ForgetPageTables(uint64_t offset_bytes) override;
  Result<HandedMachine> Freeze() override;
  Status SaveWorkingSet(const std::string& path) override;
  MachineMetrics metrics() const override;
  const VmConfig& config() const override { return config_; }

 private:
  class Builder;
  // The snapshots that a next one can be based on: the last one, and the last whole one.
  struct SavedNames {
    SnapshotName last{};
    SnapshotName full{};
  };

  VirtualMachine(VmConfig config, MachineHost host)
      : host_(std::move(host)), config_(std::move(config)) {}

  // All that a snapshot has but memory, with devices at rest.
  Result<SavedMachine> SaveState(DeviceSet::AtRest& at_rest) const;
  // A sealed file of what is in memory: its own, where it has one that is not an image yet.
  Result<std::shared_ptr<const Fd>> FreezeMemory();

  // VmRequestSink; vCPU threads.
  void Request(VmRequest request) override;
  void OnVcpuEnd(kvm::VcpuIndex index, const kvm::ExitReport& report);
  // Has the loop end the machine, the first time. Any thread; costs nothing after that.
  void PostEnd(MachineEnd end);
  void End(const MachineEnd& end);

  // Of PostEnd(), for all threads below.
  std::atomic<bool> ending_{false};
  // Gone when the machine is: what is posted to the loop then does nothing.
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);

  // Constant after construction. Each uses those before it.
  const MachineHost host_;
  std::optional<kvm::System> system_;
  std::unique_ptr<GuestMemory> memory_;
  // The file that it is mapped from, of a machine that was restored or forked; else null.
  std::shared_ptr<const Fd> loaded_memory_;
  std::optional<PageFaultHandler> page_fault_handler_;  // of one that has its memory from there
  SnapshotName restored_from_{};                        // of a restored one
  std::unique_ptr<WorkingSetRecorder> recorder_;  // of one whose working set is recorded, or null
  std::unique_ptr<kvm::Vm> vm_;
  std::unique_ptr<DeviceSet> devices_;
  std::unique_ptr<Board> board_;  // its bus borrows from the devices

  VmConfig config_;                  // the loop thread
  std::optional<SavedNames> saved_;  // the same; none: it was neither saved nor restored

  std::vector<std::unique_ptr<VcpuThread>> vcpus_;  // these end before what they use
  std::vector<Vitals::Entry> vcpu_entries_;         // of the threads
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_VIRTUAL_MACHINE_H_
