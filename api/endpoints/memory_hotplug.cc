#include "api/endpoints/endpoints.h"
#include "vmm/memory_hotplug/memory_hotplug_json.h"

namespace ember::api {

Result<Outcome> PutMemoryHotplug(const Call& call) {
  return ActionCall{.action =
                        vmm::PutMemoryHotplug{TRY(ReadBody(call.body, vmm::ReadMemoryHotplug))}};
}

Result<Outcome> PatchMemoryHotplug(const Call& call) {
  return ActionCall{.action = vmm::DeviceAction{vmm::PatchMemoryHotplug{
                        TRY(ReadBody(call.body, vmm::ReadMemoryHotplugUpdate))}}};
}

Result<Outcome> GetMemoryHotplug(const Call& /*call*/) {
  return ActionCall{.action = vmm::DeviceAction{vmm::GetMemoryHotplug{}}};
}

}  // namespace ember::api
