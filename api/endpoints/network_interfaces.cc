#include <utility>

#include "api/endpoints/endpoints.h"
#include "vmm/config_json.h"

namespace ember::api {

Result<Outcome> PutNetworkInterface(const Call& call) {
  vmm::NetworkInterfaceConfig interface = TRY(ReadBody(call.body, vmm::ReadNetworkInterface));
  TRY(CheckIds(call.id, interface.iface_id, "iface_id"));
  return ActionCall{vmm::PutNetworkInterface{std::move(interface)}};
}

Result<Outcome> PatchNetworkInterface(const Call& call) {
  vmm::NetworkInterfaceUpdate update = TRY(ReadBody(call.body, vmm::ReadNetworkInterfaceUpdate));
  TRY(CheckIds(call.id, update.iface_id, "iface_id"));
  return ActionCall{vmm::DeviceAction{vmm::PatchNetworkInterface{std::move(update)}}};
}

}  // namespace ember::api
