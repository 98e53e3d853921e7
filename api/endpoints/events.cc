#include <limits>

#include "api/endpoints/endpoints.h"
#include "api/query.h"
#include "base/concat.h"

namespace ember::api {
namespace {

constexpr uint64_t kMaxHeartbeatSeconds = 3600;

}  // namespace

Result<Outcome> GetEvents(const Call& call) {
  static constexpr std::string_view kNames[] = {"since", "heartbeat"};
  const Query query = TRY(Query::Parse(call.query, kNames));
  const uint64_t since = TRY(query.Number("since", 0, std::numeric_limits<uint64_t>::max()));
  // Of another process, whose records these are not the sequel of.
  const uint64_t last = call.controller.journal().last();
  if (since > last)
    return Error(Concat("since ", since, " exceeds the last event's number ", last));
  const uint64_t heartbeat = TRY(query.Number("heartbeat", 0, kMaxHeartbeatSeconds));
  return StreamCall{{.since = since, .heartbeat = std::chrono::seconds(heartbeat)}};
}

}  // namespace ember::api
