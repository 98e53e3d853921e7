// A DeviceSet as a snapshot has it.
#include <utility>

#include "base/concat.h"
#include "vmm/device_set.h"

namespace ember::vmm {
namespace {

// What a device remembers, each type in its way.
void Remember(VirtioState& state, const virtio::BlockDevice& drive) {
  state.capacity_sectors = drive.capacity_sectors();
}
void Remember(VirtioState& state, const virtio::NetDevice& net) { state.net = net.Save(); }
void Remember(VirtioState& state, const virtio::BalloonDevice& balloon) {
  state.balloon = balloon.Save();
}
void Remember(VirtioState& state, const virtio::ConsoleDevice& console) {
  state.console = console.Save();
}
void Remember(VirtioState& state, const virtio::MemDevice& memory) {
  state.hotplug = memory.Save();
}
void Remember(VirtioState& /*state*/, const virtio::PmemDevice& /*pmem*/) {}  // its slot does
void Remember(VirtioState& /*state*/, const virtio::RngDevice& /*entropy*/) {}
void Remember(VirtioState& /*state*/, const virtio::VsockDevice& /*vsock*/) {}

}  // namespace

// But those with a back end of their own.
template <typename Task>
Status DeviceSet::ForEachPlugged(Task&& task) {
  for (auto& drive : drives_) TRY(task(drive));
  for (PluggedPmem& pmem : pmem_) TRY(task(pmem.plugged));
  for (auto& interface : network_interfaces_) TRY(task(interface));
  if (balloon_) TRY(task(*balloon_));
  if (entropy_) TRY(task(*entropy_));
  if (console_) TRY(task(*console_));
  if (vsock_) TRY(task(*vsock_));
  if (memory_hotplug_) TRY(task(*memory_hotplug_));
  return {};
}

Result<DeviceSet::AtRest> DeviceSet::Rest() {
  if (!socket_drives_.empty()) {
    return Error(Concat("drive ", socket_drives_.front().id,
                        " has a back end behind a socket, whose state cannot be saved"));
  }
  AtRest at_rest;
  const auto rest = [&at_rest](auto& plugged) -> Status {
    VirtioAttachment& attachment = *plugged.attachment;
    at_rest.holds.push_back(attachment.Hold());
    const firmware::MmioDevice& place = attachment.place();
    at_rest.states.devices.push_back({.type = static_cast<uint32_t>(plugged.device->id()),
                                      .id = plugged.id,
                                      .address = place.range.start,
                                      .gsi = static_cast<uint32_t>(place.gsi),
                                      .transport = TRY(attachment.Save(at_rest.holds.back()))});
    Remember(at_rest.states.devices.back(), *plugged.device);
    return {};
  };
  TRY(ForEachPlugged(rest));
  for (const PluggedPmem& pmem : pmem_) {
    const GuestRange range = pmem.slot.range();
    for (VirtioState& state : at_rest.states.devices) {
      const bool same = state.type == static_cast<uint32_t>(virtio::DeviceId::kPmem) &&
                        state.id == pmem.plugged.id;
      if (same) state.memory = {.start = range.start, .size_bytes = range.size_bytes};
    }
  }
  return at_rest;
}

Status DeviceSet::RestoreDrivers() {
  size_t restored = 0;
  const auto restore = [this, &restored](auto& plugged) -> Status {
    const VirtioState* const state = site_.states->Find(plugged.device->id(), plugged.id);
    if (state == nullptr) {
      return Error(Concat(plugged.device->name(), " is not in the snapshot"));
    }
    ++restored;
    return plugged.attachment->Restore(state->transport);
  };
  TRY(ForEachPlugged(restore));
  const size_t saved = site_.states->devices.size();
  if (restored == saved) return {};
  return Error(Concat("the snapshot has ", saved, " devices, the configuration ", restored));
}

void DeviceSet::TellDrivers(const Overrides& overrides) {
  for (const NetworkOverride& other : overrides.network) {
    if (!other.guest_mac) continue;
    for (const auto& interface : network_interfaces_) {
      if (interface.id == other.iface_id) interface.attachment->ConfigChanged();
    }
  }
  if (vsock_ && overrides.vsock && overrides.vsock->guest_cid) vsock_->attachment->ConfigChanged();
}

}  // namespace ember::vmm
