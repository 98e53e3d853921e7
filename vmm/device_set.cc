#include "vmm/device_set.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/concat.h"
#include "sandbox/confinement.h"
#include "vmm/balloon/balloon_device.h"
#include "vmm/block/drive_device.h"
#include "vmm/console/console_device.h"
#include "vmm/entropy/entropy_device.h"
#include "vmm/memory_hotplug/memory_hotplug_device.h"
#include "vmm/net/network_interface_device.h"
#include "vmm/pmem/pmem_device.h"
#include "vmm/vsock/vsock_device.h"

namespace ember::vmm {
namespace {

// Both steps by the worker, but the device is taken first: a vCPU that has it may be waiting for
// the worker.
Status ReplaceDisk(VirtioAttachment& attachment, virtio::BlockDevice& device,
                   const DriveConfig& drive, const std::string& path) {
  Result<std::unique_ptr<virtio::Disk>> disk = nullptr;
  sandbox::RunOnWorker([&] { disk = OpenDisk(drive, path); });
  if (!disk) return std::move(disk).error().WithContext("path_on_host");
  Status replaced;
  attachment.WithDevice(
      [&] { sandbox::RunOnWorker([&] { replaced = device.ReplaceDisk(*std::move(disk)); }); });
  return replaced;
}

}  // namespace

Result<std::unique_ptr<DeviceSet>> DeviceSet::Create(const VmConfig& config, const Site& site) {
  std::unique_ptr<DeviceSet> devices(new DeviceSet(site));
  for (const DriveConfig& drive : config.drives) {
    TRY_CONTEXT(devices->AddDrive(drive), Concat("drive ", drive.drive_id));
  }
  for (const PmemConfig& pmem : config.pmem) {
    TRY_CONTEXT(devices->AddPmem(pmem), Concat("pmem ", pmem.id));
  }
  if (config.balloon) TRY_CONTEXT(devices->AddBalloon(*config.balloon), "balloon");
  TRY(devices->AddNetworkInterfaces(config));
  if (config.entropy) TRY_CONTEXT(devices->AddEntropy(*config.entropy), "entropy");
  if (config.console) TRY_CONTEXT(devices->AddConsole(*config.console), "console");
  if (config.vsock) TRY_CONTEXT(devices->AddVsock(*config.vsock), "vsock");
  if (config.memory_hotplug) {
    TRY_CONTEXT(devices->AddMemoryHotplug(*config.memory_hotplug), "memory-hotplug");
  }
  return devices;
}

Result<Reply> DeviceSet::Perform(const DeviceAction& action, VmConfig& config) {
  return std::visit([&](const auto& alternative) { return Do(alternative, config); }, action);
}

Result<firmware::MmioDevice> DeviceSet::TakePlace(virtio::DeviceId type, const std::string& id) {
  if (site_.states == nullptr) return site_.board.TakeVirtioPlace();
  const VirtioState* const state = site_.states->Find(type, id);
  if (state == nullptr) return Error("the snapshot has no such device");
  return site_.board.TakeVirtioPlace(state->address, Gsi{state->gsi});
}

Result<std::unique_ptr<VirtioAttachment>> DeviceSet::Attach(
    const std::string& id, std::unique_ptr<virtio::VirtioDevice> device, ThreadChoice thread) {
  const firmware::MmioDevice place = TRY(TakePlace(device->id(), id));
  return VirtioAttachment::Create(std::move(device), {.vm = site_.vm,
                                                      .mmio = site_.board.mmio(),
                                                      .loop = site_.loop,
                                                      .journal = site_.journal,
                                                      .vitals = site_.vitals,
                                                      .memory = site_.memory,
                                                      .place = place,
                                                      .thread = thread});
}

Status DeviceSet::AddDrive(const DriveConfig& drive) {
  if (drive.socket) {
    auto device = TRY(CreateSocketDrive(drive));
    socket_drives_.push_back(TRY(Plug(drive.drive_id, std::move(device), drive.thread)));
    return {};
  }
  std::unique_ptr<virtio::BlockDevice> device = TRY(CreateDrive(
      drive, Remembered(virtio::DeviceId::kBlock, drive.drive_id, &VirtioState::capacity_sectors),
      site_.rings));
  drives_.push_back(TRY(Plug(drive.drive_id, std::move(device), drive.thread)));
  return {};
}

Status DeviceSet::AddPmem(const PmemConfig& pmem) {
  PmemParts parts =
      TRY(CreatePmem(pmem, site_.vm, addresses_,
                     Remembered(virtio::DeviceId::kPmem, pmem.id, &VirtioState::memory)));
  auto plugged = TRY(Plug(pmem.id, std::move(parts.device), pmem.thread));
  pmem_.push_back({.plugged = std::move(plugged), .slot = std::move(parts.slot)});
  return {};
}

Result<Reply> DeviceSet::Do(const PatchPmem& action, VmConfig& config) {
  const PmemUpdate& update = action.update;
  for (size_t i = 0; i < pmem_.size(); ++i) {
    const Plugged<virtio::PmemDevice>& plugged = pmem_[i].plugged;
    if (plugged.id != update.id) continue;
    plugged.attachment->WithDevice(
        [&] { plugged.device->UpdateRateLimiter(ToOptions(update.rate_limiter)); });
    config.pmem[i].rate_limiter = Apply(config.pmem[i].rate_limiter, update.rate_limiter);
    return Reply{};
  }
  return Error(Concat("there is no pmem ", update.id));
}

Status DeviceSet::AddBalloon(const BalloonConfig& balloon) {
  std::unique_ptr<virtio::BalloonDevice> device = TRY(CreateBalloon(
      balloon, Remembered(virtio::DeviceId::kBalloon, "balloon", &VirtioState::balloon)));
  balloon_ = TRY(Plug("balloon", std::move(device), balloon.thread));
  return {};
}

Status DeviceSet::AddNetworkInterfaces(const VmConfig& config) {
  if (config.mmds) {
    metadata_ = std::make_unique<mmds::GuestService>(
        site_.metadata,
        mmds::GuestService::Options{.needs_token = config.mmds->version == MmdsVersion::kV2,
                                    .always_text = config.mmds->imds_compat});
  }
  for (const NetworkInterfaceConfig& interface : config.network_interfaces) {
    TRY_CONTEXT(AddNetworkInterface(interface, config.mmds),
                Concat("network interface ", interface.iface_id));
  }
  return {};
}

Status DeviceSet::AddNetworkInterface(const NetworkInterfaceConfig& interface,
                                      const std::optional<MmdsConfig>& mmds) {
  MetadataAccess metadata;
  const auto leads_to_it = [&] {
    const std::vector<std::string>& ids = mmds->network_interfaces;
    return std::ranges::find(ids, interface.iface_id) != ids.end();
  };
  if (mmds && leads_to_it()) metadata = {.service = metadata_.get(), .address = mmds->ipv4_address};
  std::unique_ptr<virtio::NetDevice> device = TRY(CreateNetworkInterface(
      interface, metadata,
      Remembered(virtio::DeviceId::kNet, interface.iface_id, &VirtioState::net)));
  network_interfaces_.push_back(TRY(Plug(interface.iface_id, std::move(device), interface.thread)));
  return {};
}

Status DeviceSet::AddEntropy(const EntropyConfig& entropy) {
  std::unique_ptr<virtio::RngDevice> device = TRY(CreateEntropy(entropy));
  entropy_.emplace(TRY(Plug("entropy", std::move(device), entropy.thread)));
  return {};
}

Status DeviceSet::AddConsole(const ConsoleConfig& console) {
  std::unique_ptr<virtio::ConsoleDevice> device =
      TRY(CreateConsole(console, site_.journal,
                        Remembered(virtio::DeviceId::kConsole, "console", &VirtioState::console)));
  console_.emplace(TRY(Plug("console", std::move(device), console.thread)));
  return {};
}

Status DeviceSet::AddVsock(const VsockConfig& vsock) {
  std::unique_ptr<virtio::VsockDevice> device = TRY(CreateVsock(vsock));
  vsock_ = TRY(Plug("vsock", std::move(device), vsock.thread));
  return {};
}

Status DeviceSet::AddMemoryHotplug(const MemoryHotplugConfig& memory) {
  std::unique_ptr<virtio::MemDevice> device =
      TRY(CreateMemoryHotplug(memory, site_.vm, site_.memory, &site_.journal,
                              Remembered(virtio::DeviceId::kMem, "memory", &VirtioState::hotplug)));
  memory_hotplug_ = TRY(Plug("memory", std::move(device), memory.thread));
  return {};
}

Result<Reply> DeviceSet::PatchSocketDrive(Plugged<virtio::vhost_user::BlockDevice>& drive,
                                          const DriveUpdate& update) {
  if (update.path_on_host || !update.rate_limiter.empty()) {
    return Error(Concat("drive ", update.drive_id,
                        " has a socket: path_on_host and rate_limiter are its back end's"));
  }
  const bool changed =
      TRY(drive.attachment->WithDevice([&] { return drive.device->RefreshConfig(); }));
  if (changed) drive.attachment->ConfigChanged();
  return Reply{};
}

Result<Reply> DeviceSet::Do(const PatchDrive& action, VmConfig& config) {
  const DriveUpdate& update = action.update;
  for (auto& each : socket_drives_) {
    if (each.id == update.drive_id) return PatchSocketDrive(each, update);
  }
  const auto plugged =
      std::ranges::find(drives_, update.drive_id, &Plugged<virtio::BlockDevice>::id);
  const auto drive = std::ranges::find(config.drives, update.drive_id, &DriveConfig::drive_id);
  if (plugged == drives_.end() || drive == config.drives.end()) {
    return Error(Concat("drive ", update.drive_id, " is not there"));
  }
  if (!update.path_on_host && update.rate_limiter.empty()) {
    return Error(Concat("drive ", update.drive_id,
                        ": neither path_on_host nor rate_limiter is given; without them a drive "
                        "behind a socket is looked at again, which this one is not"));
  }
  virtio::BlockDevice& device = *plugged->device;
  if (update.path_on_host && drive->overlay_path) {
    return Error(Concat("drive ", update.drive_id,
                        ": path_on_host of a drive with an overlay_path cannot be changed"));
  }
  if (update.path_on_host) {
    TRY(ReplaceDisk(*plugged->attachment, device, *drive, *update.path_on_host));
    drive->path_on_host = *update.path_on_host;
  }
  if (!update.rate_limiter.empty()) {
    plugged->attachment->WithDevice(
        [&] { device.UpdateRateLimiter(ToOptions(update.rate_limiter)); });
    drive->rate_limiter = Apply(drive->rate_limiter, update.rate_limiter);
  }
  return Reply{};
}

Result<Reply> DeviceSet::Do(const PatchNetworkInterface& action, VmConfig& config) {
  const NetworkInterfaceUpdate& update = action.update;
  const auto plugged =
      std::ranges::find(network_interfaces_, update.iface_id, &Plugged<virtio::NetDevice>::id);
  const auto interface = std::ranges::find(config.network_interfaces, update.iface_id,
                                           &NetworkInterfaceConfig::iface_id);
  if (plugged == network_interfaces_.end() || interface == config.network_interfaces.end()) {
    return Error(Concat("iface_id ", update.iface_id, " is no network interface of this machine"));
  }
  plugged->attachment->WithDevice([&] {
    plugged->device->UpdateLimits(ToOptions(update.rx_rate_limiter),
                                  ToOptions(update.tx_rate_limiter));
  });
  interface->rx_rate_limiter = Apply(interface->rx_rate_limiter, update.rx_rate_limiter);
  interface->tx_rate_limiter = Apply(interface->tx_rate_limiter, update.tx_rate_limiter);
  return Reply{};
}

}  // namespace ember::vmm
