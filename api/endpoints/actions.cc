#include "api/endpoints/endpoints.h"
#include "vmm/config_json_reader.h"

namespace ember::api {
namespace {

enum class ActionType : uint8_t {
  kFlushMetrics,
  kInstanceStart,
  kSendCtrlAltDel,
  kPowerButton,
  kResetInPlace
};
constexpr vmm::Named<ActionType> kActionTypes[] = {{"FlushMetrics", ActionType::kFlushMetrics},
                                                   {"InstanceStart", ActionType::kInstanceStart},
                                                   {"SendCtrlAltDel", ActionType::kSendCtrlAltDel},
                                                   {"PowerButton", ActionType::kPowerButton},
                                                   {"ResetInPlace", ActionType::kResetInPlace}};

Result<ActionType> ReadActionType(const vmm::JsonValue& json) {
  static constexpr std::string_view kFields[] = {"action_type"};
  const vmm::ObjectReader in = TRY(vmm::ObjectReader::Create(json, kFields));
  return in.Required("action_type", kActionTypes);
}

}  // namespace

Result<Outcome> PutActions(const Call& call) {
  switch (TRY(ReadBody(call.body, ReadActionType))) {
    case ActionType::kInstanceStart:
      return ActionCall{vmm::InstanceStart{}};
    case ActionType::kSendCtrlAltDel:
      return ActionCall{vmm::SendCtrlAltDel{}};
    case ActionType::kPowerButton:
      return ActionCall{vmm::PressPowerButton{}};
    case ActionType::kResetInPlace:
      return ActionCall{vmm::ResetInPlace{}};
    case ActionType::kFlushMetrics:
      break;
  }
  return ActionCall{vmm::FlushMetrics{}};
}

}  // namespace ember::api
