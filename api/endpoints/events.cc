#include <chrono>
#include <limits>
#include <memory>

#include "api/endpoints/endpoints.h"
#include "api/event_stream.h"
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
  return StreamCall{
      .stream = std::make_unique<EventStream>(
          call.controller.journal(),
          EventStream::Options{.since = since, .heartbeat = std::chrono::seconds(heartbeat)},
          std::chrono::steady_clock::now()),
      .content_type = "application/x-ndjson"};
}

}  // namespace ember::api
