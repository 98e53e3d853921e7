#include "vmm/balloon/balloon_json.h"

#include <string_view>
#include <utility>

#include "vmm/config_json_reader.h"

namespace ember::vmm {

Result<BalloonConfig> ReadBalloon(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {
      "amount_mib",        "deflate_on_oom",      "stats_polling_interval_s",
      "free_page_hinting", "free_page_reporting", "thread"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  BalloonConfig balloon;
  balloon.amount_mib = TRY(in.Required<uint32_t>("amount_mib"));
  balloon.deflate_on_oom = TRY(in.Required<bool>("deflate_on_oom"));
  balloon.stats_polling_interval_s =
      TRY(in.WithDefault("stats_polling_interval_s", balloon.stats_polling_interval_s));
  balloon.free_page_hinting = TRY(in.WithDefault("free_page_hinting", balloon.free_page_hinting));
  balloon.free_page_reporting =
      TRY(in.WithDefault("free_page_reporting", balloon.free_page_reporting));
  balloon.thread = TRY(in.Optional("thread", kThreadChoices)).value_or(balloon.thread);
  return balloon;
}

Result<BalloonUpdate> ReadBalloonUpdate(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"amount_mib"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  return BalloonUpdate{.amount_mib = TRY(in.Required<uint32_t>("amount_mib"))};
}

Result<BalloonStatisticsUpdate> ReadBalloonStatisticsUpdate(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"stats_polling_interval_s"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  return BalloonStatisticsUpdate{.stats_polling_interval_s =
                                     TRY(in.Required<uint16_t>("stats_polling_interval_s"))};
}

Result<BalloonHintingStart> ReadBalloonHintingStart(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"acknowledge_on_stop"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  BalloonHintingStart start;
  start.acknowledge_on_stop = TRY(in.WithDefault("acknowledge_on_stop", start.acknowledge_on_stop));
  return start;
}

void WriteFields(JsonWriter& out, const BalloonConfig& balloon) {
  out.Field("amount_mib", balloon.amount_mib)
      .Field("deflate_on_oom", balloon.deflate_on_oom)
      .Field("stats_polling_interval_s", balloon.stats_polling_interval_s)
      .Field("free_page_hinting", balloon.free_page_hinting)
      .Field("free_page_reporting", balloon.free_page_reporting);
  if (balloon.thread != ThreadChoice::kVmm) {
    out.Field("thread", NameOf(kThreadChoices, balloon.thread));
  }
}

std::string ToJson(const BalloonConfig& balloon) {
  JsonWriter out;
  out.BeginObject();
  WriteFields(out, balloon);
  out.EndObject();
  return std::move(out).Take();
}

}  // namespace ember::vmm
