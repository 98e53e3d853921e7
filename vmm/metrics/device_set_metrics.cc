#include "vmm/device_set.h"

namespace ember::vmm {
namespace {

// A device by its id, and its transport by the same.
template <typename Plugged, typename Metrics>
void Add(const Plugged& plugged, MetricInstances<Metrics>& instances,
         MetricInstances<virtio::TransportMetrics>& transports) {
  instances.push_back({.id = plugged.id, .metrics = &plugged.device->metrics()});
  transports.push_back({.id = plugged.id, .metrics = &plugged.attachment->metrics()});
}

// One of which a machine has no other.
template <typename Plugged, typename Metrics>
void AddOnly(const std::optional<Plugged>& plugged, MetricInstances<Metrics>& instances,
             MetricInstances<virtio::TransportMetrics>& transports) {
  if (!plugged) return;
  Add(*plugged, instances, transports);
  instances.back().id = {};
}

}  // namespace

void DeviceSet::AddTo(MachineMetrics& metrics) const {
  auto& transports = metrics.transports;
  for (const auto& drive : drives_) Add(drive, metrics.drives, transports);
  for (const auto& drive : socket_drives_) Add(drive, metrics.socket_drives, transports);
  for (const auto& pmem : pmem_) Add(pmem.plugged, metrics.pmem, transports);
  for (const auto& net : network_interfaces_) Add(net, metrics.network_interfaces, transports);
  AddOnly(balloon_, metrics.balloon, transports);
  AddOnly(entropy_, metrics.entropy, transports);
  AddOnly(console_, metrics.console, transports);
  AddOnly(vsock_, metrics.vsock, transports);
  AddOnly(memory_hotplug_, metrics.memory_hotplug, transports);
}

}  // namespace ember::vmm
