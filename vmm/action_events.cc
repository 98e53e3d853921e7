#include "vmm/action_events.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "base/concat.h"

namespace ember::vmm {
namespace {

// An overload for each action that leaves a trace.
class Recorder {
 public:
  Recorder(const VmConfig& before, Journal& journal) : before_(before), journal_(journal) {}

  void operator()(const PutMachineConfig&) const { Configured("machine-config"); }
  void operator()(const PatchMachineConfig&) const { Configured("machine-config"); }
  void operator()(const PutCpuConfig&) const { Configured("cpu-config"); }
  void operator()(const PutBootSource&) const { Configured("boot-source"); }
  void operator()(const PutDrive& action) const {
    Configured(Concat("drives/", action.drive.drive_id));
  }
  void operator()(const PutPmem& action) const { Configured(Concat("pmem/", action.pmem.id)); }
  void operator()(const PutNetworkInterface& action) const {
    Configured(Concat("network-interfaces/", action.interface.iface_id));
  }
  void operator()(const PutLogger&) const { Configured("logger"); }
  void operator()(const PutMetrics&) const { Configured("metrics"); }
  void operator()(const PutSerial&) const { Configured("serial"); }
  void operator()(const PutBalloon&) const { Configured("balloon"); }
  void operator()(const PutEntropy&) const { Configured("entropy"); }
  void operator()(const PutConsole&) const { Configured("console"); }
  void operator()(const PutVsock&) const { Configured("vsock"); }
  void operator()(const PutMemoryHotplug&) const { Configured("hotplug/memory"); }
  void operator()(const PutMmdsConfig&) const { Configured("mmds/config"); }

  void operator()(const PutLifecycle&) const { Configured("lifecycle"); }

  void operator()(const InstanceStart&) const { journal_.Append("started"); }
  void operator()(const LoadSnapshot& action) const {
    if (action.load.handed != nullptr) return journal_.Append("cloned");
    journal_.Append("restored", {{"snapshot_path", action.load.snapshot_path}});
  }
  void operator()(const CreateSnapshot& action) const {
    journal_.Append("snapshot_created", {{"snapshot_path", action.creation.snapshot_path},
                                         {"mem_file_path", action.creation.mem_file_path}});
  }
  void operator()(const SaveWorkingSet& action) const {
    journal_.Append("working_set_saved", {{"working_set_path", action.file.working_set_path}});
  }
  void operator()(const SendCtrlAltDel&) const { journal_.Append("ctrl_alt_del"); }
  void operator()(const PressPowerButton&) const { journal_.Append("power_button"); }
  void operator()(const ResetInPlace&) const { journal_.Append("reset"); }

  void operator()(const DeviceAction& action) const { std::visit(*this, action); }
  void operator()(const PatchDrive& action) const {
    const DriveUpdate& update = action.update;
    if (!update.path_on_host) return;
    const auto drive = std::ranges::find(before_.drives, update.drive_id, &DriveConfig::drive_id);
    const bool same = drive != before_.drives.end() && drive->path_on_host == *update.path_on_host;
    // The same file again: its size is looked at anew.
    journal_.Append(same ? "drive_resized" : "drive_swapped",
                    {{"drive_id", update.drive_id}, {"path_on_host", *update.path_on_host}});
  }
  void operator()(const PatchBalloon& action) const {
    journal_.Append("balloon_target", {{"amount_mib", uint64_t{action.update.amount_mib}}});
  }
  void operator()(const PatchMemoryHotplug& action) const {
    journal_.Append("memory_target",
                    {{"requested_size_mib", uint64_t{action.update.requested_size_mib}}});
  }

  template <typename Other>
  void operator()(const Other&) const {}

 private:
  void Configured(std::string resource) const {
    journal_.Append("configured", {{"resource", std::move(resource)}});
  }

  const VmConfig& before_;
  Journal& journal_;
};

}  // namespace

void Record(const Action& action, const VmConfig& before, Journal& journal) {
  std::visit(Recorder(before, journal), action);
}

}  // namespace ember::vmm
