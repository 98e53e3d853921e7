#ifndef EMBER_VMM_DEVICE_SET_H_
#define EMBER_VMM_DEVICE_SET_H_

#include <memory>
#include <optional>
#include <string>
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
  };

  // Plugs in the devices of `config`, in the order in which the guest finds them. An error names
  // the device.
  static Result<std::unique_ptr<DeviceSet>> Create(const VmConfig& config, const Site& site);

  // Carries out what is asked of one device, and writes down in `config` what has changed. An error
  // leaves both as they were.
  Result<Reply> Perform(const DeviceAction& action, VmConfig& config);

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
        .id = id, .device = borrowed, .attachment = TRY(Attach(std::move(device), thread))};
  }
  Result<std::unique_ptr<VirtioAttachment>> Attach(std::unique_ptr<virtio::VirtioDevice> device,
                                                   ThreadChoice thread);
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
