#include "api/endpoints/endpoints.h"
#include "base/log.h"
#include "vmm/config_json.h"

namespace ember::api {
namespace {

// Whether the body uses the deprecated field, be it only to say None.
bool UsesTemplate(const vmm::JsonValue& json, std::string_view request) {
  const vmm::JsonValue* field = json.Find("cpu_template");
  if (field == nullptr || field->is_null()) return false;
  EMBER_LOG_LIMITED(kWarning, request,
                    " /machine-config: cpu_template is deprecated; use PUT /cpu-config");
  return true;
}

}  // namespace

Result<Outcome> GetMachineConfig(const Call& call) {
  return Ok(vmm::ToJson(call.machine.config.machine));
}

Result<Outcome> PutMachineConfig(const Call& call) {
  const vmm::JsonValue json = TRY(ParseBody(call.body));
  const Result<vmm::MachineConfig> machine = vmm::ReadMachineConfig(json);
  if (!machine) return BodyError(machine.error());
  const bool names_template = UsesTemplate(json, "PUT");
  return ActionCall{.action = vmm::PutMachineConfig{*machine, names_template},
                    .deprecated = names_template};
}

Result<Outcome> PatchMachineConfig(const Call& call) {
  const vmm::JsonValue json = TRY(ParseBody(call.body));
  const Result<vmm::MachineConfigUpdate> update = vmm::ReadMachineConfigUpdate(json);
  if (!update) return BodyError(update.error());
  if (*update == vmm::MachineConfigUpdate{}) return Error("Empty PATCH request.");
  return ActionCall{.action = vmm::PatchMachineConfig{*update},
                    .deprecated = UsesTemplate(json, "PATCH")};
}

}  // namespace ember::api
