#include <utility>

#include "api/endpoints/endpoints.h"
#include "vmm/config_json_writer.h"

namespace ember::api {
namespace {

// What clients of the contract know the states by.
std::string_view NameOf(vmm::MachineState state) {
  switch (state) {
    case vmm::MachineState::kNotStarted:
      return "Not started";
    case vmm::MachineState::kRunning:
      return "Running";
    case vmm::MachineState::kPaused:
      break;
  }
  return "Paused";
}

}  // namespace

Result<Outcome> GetInstance(const Call& call) {
  vmm::JsonWriter out;
  out.BeginObject()
      .Field("id", call.instance_id)
      .Field("state", NameOf(call.machine.state))
      .Field("vmm_version", EMBER_API_VERSION)
      .Field("app_name", "Ember")
      .Field("ember_version", EMBER_VERSION)
      .EndObject();
  return Ok(std::move(out).Take());
}

Result<Outcome> GetVersion(const Call& /*call*/) {
  vmm::JsonWriter out;
  out.BeginObject().Field("firecracker_version", EMBER_API_VERSION).EndObject();
  return Ok(std::move(out).Take());
}

}  // namespace ember::api
