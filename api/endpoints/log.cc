#include <cstdint>
#include <limits>
#include <memory>

#include "api/endpoints/endpoints.h"
#include "api/log_stream.h"
#include "api/query.h"
#include "base/concat.h"
#include "base/log_tail.h"

namespace ember::api {
namespace {

constexpr std::string_view kText = "text/plain; charset=utf-8";
constexpr uint64_t kMaxLines = LogTail::kCapacityBytes;  // as many as could be kept

Result<bool> ReadFollow(const Query& query) {
  const std::string_view text = query.Text("follow").value_or("false");
  if (text == "true" || text == "false") return text == "true";
  return Error(Concat("follow: \"", text, "\" is neither true nor false"));
}

Response Lines(const LogTail& tail, uint64_t lines) {
  LogTail::Page page = tail.From(tail.Before(lines), LogTail::kCapacityBytes);
  return {.status = HttpStatus::kOk, .body = std::move(page.text), .content_type = kText};
}

}  // namespace

Result<Outcome> GetLog(const Call& call) {
  static constexpr std::string_view kNames[] = {"lines", "follow"};
  const Query query = TRY(Query::Parse(call.query, kNames));
  const uint64_t lines = TRY(query.Number("lines", kMaxLines, kMaxLines));
  const bool follow = TRY(ReadFollow(query));
  LogTail& tail = log_tail();
  const bool upgrade = call.upgrade == Protocol::kLog;
  if (!follow && !upgrade) return Lines(tail, lines);
  // Not before somebody follows it: until then nobody need be woken for a line.
  tail.SetListener([waker = call.waker] { waker->Wake(); });
  return StreamCall{.stream = std::make_unique<LogStream>(tail, lines),
                    .content_type = kText,
                    .protocol = upgrade ? Protocol::kLog : Protocol::kHttp};
}

}  // namespace ember::api
