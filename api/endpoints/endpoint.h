#ifndef EMBER_API_ENDPOINTS_ENDPOINT_H_
#define EMBER_API_ENDPOINTS_ENDPOINT_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "api/late_answer.h"
#include "api/message.h"
#include "api/protocol.h"
#include "api/stream.h"
#include "api/waker.h"
#include "base/counter.h"
#include "base/fd.h"
#include "base/gauge.h"
#include "base/result.h"
#include "mmds/metadata.h"
#include "vmm/action.h"
#include "vmm/config_json_value.h"
#include "vmm/controller.h"

// What an endpoint is: a function from a request to an answer, now or later, or to the action that
// it asks for. It touches no machine and no socket. Adding one: a file here, a line in endpoints.h,
// a row in router.cc, a test.
namespace ember::api {

class SurveyUnderWay;

// A request, as the endpoint of its path gets it. Borrowed for the call.
struct Call {
  std::string_view id;    // from the path, where the path has one; perhaps empty, never checked
  std::string_view body;  // as sent; not empty for PUT and PATCH, but where the router says so
  const vmm::Controller::Snapshot& machine;
  mmds::Metadata& metadata;
  std::string_view instance_id;
  std::string_view query;              // what follows the path's '?', for endpoints that take one
  Protocol upgrade = Protocol::kHttp;  // what the client would have the connection become
  const vmm::Controller& controller;   // outlives every answer, late ones too
  const std::shared_ptr<Waker>& waker;
  std::weak_ptr<SurveyUnderWay>& survey;   // the latest memory survey
  std::vector<Fd>* descriptors = nullptr;  // that came with the request, to be taken; null: none
};

// Where the outcome of a request is counted. Null: nowhere.
struct Tally {
  Counter* fails = nullptr;
  Gauge* latency_us = nullptr;  // of those that succeed
};

// The request asks for an action, whose outcome is the answer: 204, or 400 with the error.
struct ActionCall {
  vmm::Action action;
  bool deprecated = false;  // as in Response
  Tally tally = {};         // the router's
};

// The answer comes later, or is a stream without an end of its own.
using LateCall = std::unique_ptr<LateAnswer>;
struct StreamCall {
  std::unique_ptr<Stream> stream;
  std::string_view content_type;
  Protocol protocol = Protocol::kHttp;  // what the connection becomes
};

// The connection becomes a client of a console's port, and no longer the API's.
struct ConsoleCall {
  std::optional<std::string> port;  // its id; absent: the first
};

using Outcome = std::variant<Response, ActionCall, LateCall, StreamCall, ConsoleCall>;

// An error is answered by 400.
using Endpoint = Result<Outcome> (*)(const Call& call);

// 200 with this body.
inline Response Ok(std::string json) {
  return {.status = HttpStatus::kOk, .body = std::move(json)};
}

// The error as the contract tells of what is wrong within a body.
Error BodyError(const Error& error);
Result<vmm::JsonValue> ParseBody(std::string_view body);
// What `read` makes of the body.
template <typename T>
Result<T> ReadBody(std::string_view body, Result<T> (*read)(const vmm::JsonValue&)) {
  const vmm::JsonValue json = TRY(ParseBody(body));
  Result<T> value = read(json);
  if (!value) return BodyError(value.error());
  return value;
}

// The path's id must be valid, and the body's, in `field`, the same.
Status CheckIds(std::string_view path_id, std::string_view body_id, std::string_view field);

}  // namespace ember::api

#endif  // EMBER_API_ENDPOINTS_ENDPOINT_H_
