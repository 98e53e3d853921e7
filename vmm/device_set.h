#ifndef EMBER_VMM_DEVICE_SET_H_
#define EMBER_VMM_DEVICE_SET_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/journal.h"
#include "base/result.h"
#include "kvm/memory_slot.h"
#include "kvm/vm.h"
#include "memory/address_allocator.h"
#include "memory/guest_memory.h"
#include "mmds/guest_service.h"
#include "mmds/metadata.h"
#include "virtio/balloon/balloon_device.h"
#include "virtio/block/block_device.h"
#include "virtio/block/spare_rings.h"
#include "virtio/console/console_device.h"
#include "virtio/mem/mem_device.h"
#include "virtio/net/net_device.h"
#include "virtio/pmem/pmem_device.h"
#include "virtio/rng/rng_device.h"
#include "virtio/vhost_user/block_device.h"
#include "virtio/virtio_device.h"
#include "virtio/vsock/vsock_device.h"
#include "vmm/action.h"
#include "vmm/board.h"
#include "vmm/config.h"
#include "vmm/metrics/machine_metrics.h"
#include "vmm/reply.h"
#include "vmm/snapshot/device_states.h"
#include "vmm/snapshot/overrides.h"
#include "vmm/virtio_attachment.h"
#include "vmm/vitals.h"

namespace ember::vmm {

// The virtio devices of a machine, plugged in, each found again by the id that clients know it by.
// Made and destroyed as its attachments are; used on the loop thread.
class DeviceSet {
 public:
  struct Site {
    kvm::Vm& vm;  // these all outlive the devices
    Board& board;
    EventLoop& loop;
    Journal& journal;
    Vitals& vitals;
    const GuestMemory& memory;
    mmds::Metadata& metadata;
    AddressAllocator addresses;  // for memory that devices bring
    virtio::SpareRings* rings;   // of drives; null: each makes its own
    // Of a snapshot, until RestoreDrivers(): each device gets its place back, and what it
    // remembered. Null: a new machine's.
    const DeviceStates* states = nullptr;
  };
  // Devices that stay at rest for as long as this lives, and what they are.
  struct AtRest {
    std::vector<virtio::DeviceHold> holds;
    DeviceStates states;
  };

  // Plugs in the devices of `config`, in the order in which the guest finds them. An error names
  // the device.
  static Result<std::unique_ptr<DeviceSet>> Create(const VmConfig& config, const Site& site);

  // Carries out what is asked of one device, and writes down in `config` what has changed. An error
  // leaves both as they were.
  Result<Reply> Perform(const DeviceAction& action, VmConfig& config);

  // For a snapshot of a machine whose vCPUs are paused: brings every device to rest, which may take
  // as long as the host's disks like. An error names a device that cannot rest; all go on then.
  // vmm/snapshot/device_set_save.cc.
  Result<AtRest> Rest();
  // Gives the devices, which were made with Site::states, their drivers back. Once memory and
  // interrupt controllers are restored, before any vCPU runs. The error names a device.
  Status RestoreDrivers();
  // After that: tells the drivers of what the overrides changed in what they may have read already,
  // addresses and CID. That a drive has another size its device finds out itself.
  void TellDrivers(const Overrides& overrides);

  // Adds where the devices count; borrowed from them.
  void AddTo(MachineMetrics& metrics) const;

 private:
  template <typename Device>
  struct Plugged {
    std::string id;
    Device* device;  // the attachment's
    std::unique_ptr<VirtioAttachment> attachment;
  };

  struct PluggedPmem {
    Plugged<virtio::PmemDevice> plugged;
    kvm::MemorySlot slot;  // of the device's memory
  };

  explicit DeviceSet(const Site& site) : site_(site), addresses_(site.addresses) {}

  template <typename Device>
  Result<Plugged<Device>> Plug(const std::string& id, std::unique_ptr<Device> device,
                               ThreadChoice thread) {
    Device* const borrowed = device.get();
    return Plugged<Device>{
        .id = id, .device = borrowed, .attachment = TRY(Attach(id, std::move(device), thread))};
  }
  Result<std::unique_ptr<VirtioAttachment>> Attach(const std::string& id,
                                                   std::unique_ptr<virtio::VirtioDevice> device,
                                                   ThreadChoice thread);
  Result<firmware::MmioDevice> TakePlace(virtio::DeviceId type, const std::string& id);
  // Calls `task` with each Plugged, until it fails.
  template <typename Task>
  Status ForEachPlugged(Task&& task);
  // What a device of a snapshot remembered; nothing for a new machine's.
  template <typename State>
  std::optional<State> Remembered(virtio::DeviceId type, std::string_view id,
                                  std::optional<State> VirtioState::*state) const {
    const VirtioState* const found =
        site_.states == nullptr ? nullptr : site_.states->Find(type, id);
    if (found == nullptr) return std::nullopt;
    return found->*state;
  }
  Status AddDrive(const DriveConfig& drive);
  Status AddPmem(const PmemConfig& pmem);
  Status AddBalloon(const BalloonConfig& balloon);
  Status AddNetworkInterfaces(const VmConfig& config);
  Status AddNetworkInterface(const NetworkInterfaceConfig& interface,
                             const std::optional<MmdsConfig>& mmds);
  Status AddEntropy(const EntropyConfig& entropy);
  Status AddConsole(const ConsoleConfig& console);
  Status AddVsock(const VsockConfig& vsock);
  Status AddMemoryHotplug(const MemoryHotplugConfig& memory);

  Result<Reply> Do(const PatchDrive& action, VmConfig& config);
  Result<Reply> PatchSocketDrive(Plugged<virtio::vhost_user::BlockDevice>& drive,
                                 const DriveUpdate& update);
  Result<Reply> Do(const PatchPmem& action, VmConfig& config);
  Result<Reply> Do(const PatchNetworkInterface& action, VmConfig& config);
  // balloon/balloon_actions.cc
  Result<Reply> Do(const PatchBalloon& action, VmConfig& config);
  Result<Reply> Do(const PatchBalloonStatistics& action, VmConfig& config);
  Result<Reply> Do(const GetBalloonStatistics& action, VmConfig& config);
  Result<Reply> Do(const StartBalloonHinting& action, VmConfig& config);
  Result<Reply> Do(const StopBalloonHinting& action, VmConfig& config);
  Result<Reply> Do(const GetBalloonHinting& action, VmConfig& config);
  // memory_hotplug/memory_hotplug_actions.cc
  Result<Reply> Do(const PatchMemoryHotplug& action, VmConfig& config);
  Result<Reply> Do(const GetMemoryHotplug& action, VmConfig& config);
  // console/console_actions.cc
  Result<Reply> Do(const AttachConsole& action, VmConfig& config);
  Result<Reply> Do(const ResizeConsole& action, VmConfig& config);

  const Site site_;
  AddressAllocator addresses_;
  std::vector<Plugged<virtio::BlockDevice>> drives_;
  std::vector<Plugged<virtio::vhost_user::BlockDevice>> socket_drives_;
  std::vector<PluggedPmem> pmem_;
  std::unique_ptr<mmds::GuestService> metadata_;  // null where no interface leads to it
  std::vector<Plugged<virtio::NetDevice>> network_interfaces_;
  std::optional<Plugged<virtio::BalloonDevice>> balloon_;
  std::optional<Plugged<virtio::RngDevice>> entropy_;
  std::optional<Plugged<virtio::ConsoleDevice>> console_;
  std::optional<Plugged<virtio::VsockDevice>> vsock_;
  std::optional<Plugged<virtio::MemDevice>> memory_hotplug_;
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_DEVICE_SET_H_
