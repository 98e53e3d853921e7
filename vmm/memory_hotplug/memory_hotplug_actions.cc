// What clients ask of the memory device of a machine that runs.
#include "vmm/device_set.h"
#include "vmm/memory_hotplug/memory_hotplug_device.h"

namespace ember::vmm {

Result<Reply> DeviceSet::Do(const PatchMemoryHotplug& action, VmConfig& /*config*/) {
  if (!memory_hotplug_) return NoMemoryHotplug();
  TRY(memory_hotplug_->attachment->WithDevice(
      [&] { return Update(*memory_hotplug_->device, action.update); }));
  return Reply{};
}

Result<Reply> DeviceSet::Do(const GetMemoryHotplug& /*action*/, VmConfig& config) {
  if (!memory_hotplug_) return NoMemoryHotplug();
  return Reply{.json = memory_hotplug_->attachment->WithDevice(
                   [&] { return StatusJson(*config.memory_hotplug, *memory_hotplug_->device); })};
}

}  // namespace ember::vmm
