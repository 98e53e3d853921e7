#include <optional>
#include <utility>

#include "api/endpoints/endpoints.h"
#include "vmm/balloon/balloon_json.h"

namespace ember::api {
namespace {

ActionCall Ask(vmm::DeviceAction action) { return {.action = std::move(action)}; }

}  // namespace

Result<Outcome> GetBalloon(const Call& call) {
  const std::optional<vmm::BalloonConfig>& balloon = call.machine.config.balloon;
  if (!balloon) return vmm::NoBalloon();
  return Ok(vmm::ToJson(*balloon));
}

Result<Outcome> PutBalloon(const Call& call) {
  return ActionCall{.action = vmm::PutBalloon{TRY(ReadBody(call.body, vmm::ReadBalloon))}};
}

Result<Outcome> PatchBalloon(const Call& call) {
  return Ask(vmm::PatchBalloon{TRY(ReadBody(call.body, vmm::ReadBalloonUpdate))});
}

Result<Outcome> GetBalloonStatistics(const Call& /*call*/) {
  return Ask(vmm::GetBalloonStatistics{});
}

Result<Outcome> PatchBalloonStatistics(const Call& call) {
  return Ask(
      vmm::PatchBalloonStatistics{TRY(ReadBody(call.body, vmm::ReadBalloonStatisticsUpdate))});
}

Result<Outcome> PatchBalloonHintingStart(const Call& call) {
  if (call.body.empty()) return Ask(vmm::StartBalloonHinting{});
  return Ask(vmm::StartBalloonHinting{TRY(ReadBody(call.body, vmm::ReadBalloonHintingStart))});
}

Result<Outcome> PatchBalloonHintingStop(const Call& /*call*/) {
  return Ask(vmm::StopBalloonHinting{});
}

Result<Outcome> GetBalloonHintingStatus(const Call& /*call*/) {
  return Ask(vmm::GetBalloonHinting{});
}

}  // namespace ember::api
