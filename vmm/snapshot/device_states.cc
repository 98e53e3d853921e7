#include "vmm/snapshot/device_states.h"

#include <algorithm>

#include "snapshot/fields.h"

namespace ember::vmm {

const VirtioState* DeviceStates::Find(virtio::DeviceId type, std::string_view id) const {
  const auto found = std::ranges::find_if(devices, [&](const VirtioState& device) {
    return device.type == static_cast<uint32_t>(type) && device.id == id;
  });
  return found == devices.end() ? nullptr : &*found;
}

void Describe(snapshot::Fields& fields, DeviceMemoryState& memory) {
  fields.Add("start", memory.start);
  fields.Add("size_bytes", memory.size_bytes);
}

void Describe(snapshot::Fields& fields, VirtioState& device) {
  fields.Add("type", device.type);
  fields.Add("id", device.id);
  fields.Add("address", device.address);
  fields.Add("gsi", device.gsi);
  fields.Add("transport", device.transport);
  fields.Add("capacity_sectors", device.capacity_sectors);
  fields.Add("memory", device.memory);
  fields.Add("net", device.net);
  fields.Add("balloon", device.balloon);
  fields.Add("console", device.console);
  fields.Add("hotplug", device.hotplug);
}

void Describe(snapshot::Fields& fields, DeviceStates& devices) {
  fields.Add("devices", devices.devices);
}

}  // namespace ember::vmm
