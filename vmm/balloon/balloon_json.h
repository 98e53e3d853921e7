#ifndef EMBER_VMM_BALLOON_BALLOON_JSON_H_
#define EMBER_VMM_BALLOON_BALLOON_JSON_H_

#include <string>

#include "base/result.h"
#include "vmm/balloon/balloon.h"
#include "vmm/config_json_value.h"
#include "vmm/config_json_writer.h"

// The balloon as JSON, as vmm/config_json.h describes it.
namespace ember::vmm {

Result<BalloonConfig> ReadBalloon(const JsonValue& json);
Result<BalloonUpdate> ReadBalloonUpdate(const JsonValue& json);
Result<BalloonStatisticsUpdate> ReadBalloonStatisticsUpdate(const JsonValue& json);
Result<BalloonHintingStart> ReadBalloonHintingStart(const JsonValue& json);
// The members of the balloon's object.
void WriteFields(JsonWriter& out, const BalloonConfig& balloon);
// What GET /balloon answers.
std::string ToJson(const BalloonConfig& balloon);

}  // namespace ember::vmm

#endif  // EMBER_VMM_BALLOON_BALLOON_JSON_H_
