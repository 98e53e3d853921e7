#include "api/endpoints/endpoints.h"
#include "vmm/config_json.h"
#include "vmm/config_json_reader.h"

namespace ember::api {
namespace {

enum class VmState : uint8_t { kPaused, kResumed };
constexpr vmm::Named<VmState> kVmStates[] = {{"Paused", VmState::kPaused},
                                             {"Resumed", VmState::kResumed}};

Result<VmState> ReadVmState(const vmm::JsonValue& json) {
  static constexpr std::string_view kFields[] = {"state"};
  const vmm::ObjectReader in = TRY(vmm::ObjectReader::Create(json, kFields));
  return in.Required("state", kVmStates);
}

}  // namespace

Result<Outcome> GetVmConfig(const Call& call) { return Ok(vmm::ToJson(call.machine.config)); }

Result<Outcome> PatchVm(const Call& call) {
  const VmState state = TRY(ReadBody(call.body, ReadVmState));
  if (state == VmState::kPaused) return ActionCall{vmm::PauseVm{}};
  return ActionCall{vmm::ResumeVm{}};
}

}  // namespace ember::api
