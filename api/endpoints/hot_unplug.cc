#include "api/endpoints/endpoints.h"
#include "vmm/resource_id.h"

namespace ember::api {

Result<Outcome> DeleteDevice(const Call& call) {
  TRY(vmm::ValidateResourceId(call.id));
  if (call.machine.state == vmm::MachineState::kNotStarted) {
    return Error("The requested operation is not supported before starting the microVM.");
  }
  return Error("Devices can be unplugged only from a PCI bus, which this microVM does not have.");
}

}  // namespace ember::api
