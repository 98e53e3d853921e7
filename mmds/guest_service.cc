#include "mmds/guest_service.h"

#include <charconv>
#include <chrono>
#include <system_error>
#include <utility>

#include "base/concat.h"

namespace ember::mmds {
namespace {

constexpr std::string_view kTokenPath = "/latest/api/token";
constexpr uint32_t kMinLifetimeSeconds = 1;
constexpr uint32_t kMaxLifetimeSeconds = 21600;

// The path with one '/' wherever there are several.
std::string WithoutDoubleSlashes(std::string_view path) {
  std::string clean;
  for (const char c : path) {
    if (c != '/' || !clean.ends_with('/')) clean += c;
  }
  return clean;
}

std::optional<uint32_t> ParseLifetime(std::string_view text) {
  uint32_t seconds = 0;
  const char* const end = text.data() + text.size();
  const std::from_chars_result number = std::from_chars(text.data(), end, seconds);
  if (number.ec != std::errc() || number.ptr != end) return std::nullopt;
  return seconds;
}

}  // namespace

struct GuestService::Response {
  uint32_t status = 200;
  std::string body;
  bool json = false;
  std::string fields;  // more of the head, each with its line's end
};

namespace {

// The contract's words, which its clients look for.
std::string NotFound(std::string_view path) { return Concat("Resource not found: ", path, "."); }
std::string BadField(std::string_view what) { return Concat("Invalid header. Reason: ", what); }

}  // namespace

GuestService::Answer GuestService::Handle(std::string_view head) {
  const std::optional<HttpRequest> request = ReadHttpRequest(head);
  if (!request) return Refuse();
  return Write(Respond(*request), request->version, request->keep_alive);
}

GuestService::Answer GuestService::Refuse() {
  // What comes behind it may be its body, and no request.
  return Write({.status = 400, .body = "Invalid request.", .fields = {}}, "HTTP/1.1",
               /*keep_alive=*/false);
}

GuestService::Response GuestService::Respond(const HttpRequest& request) {
  if (request.path.empty()) return {.status = 400, .body = "Invalid URI.", .fields = {}};
  if (request.method == "GET") return Get(request);
  if (request.method == "PUT") return Put(request);
  return {.status = 405, .body = "Not allowed HTTP method.", .fields = "Allow: GET, PUT\r\n"};
}

GuestService::Response GuestService::Get(const HttpRequest& request) {
  if (!request.token) {
    metadata_.metrics.rx_no_token.Add();
    if (!options_.needs_token) return Read(request);
    return {.status = 401,
            .body =
                "No MMDS token provided. Use `X-metadata-token` or `X-aws-ec2-metadata-token` "
                "header to specify the session token.",
            .fields = {}};
  }
  bool good = false;
  {
    const MutexLock lock(mutex_);
    good = tokens_.IsGood(request.token->value, options_.clock->Now());
  }
  if (!good) {
    metadata_.metrics.rx_invalid_token.Add();
    if (options_.needs_token) {
      return {.status = 401, .body = "MMDS token not valid.", .fields = {}};
    }
  }
  return Read(request);
}

GuestService::Response GuestService::Read(const HttpRequest& request) const {
  const bool json = request.wants_json && !options_.always_text;
  DataStore::Found found = metadata_.store.Find(
      request.path, json ? DataStore::Format::kJson : DataStore::Format::kText);
  switch (found.answer) {
    case DataStore::Answer::kFound:
      return {.body = std::move(found.text), .json = json, .fields = {}};
    case DataStore::Answer::kNoText:
      return {.status = 501,
              .body = "Cannot retrieve value. The value has an unsupported type.",
              .fields = {}};
    case DataStore::Answer::kNothing:
      break;
  }
  return {.status = 404, .body = NotFound(request.path), .fields = {}};
}

GuestService::Response GuestService::Put(const HttpRequest& request) {
  // Somebody's proxy would hand the token to whoever asks it.
  if (request.forwarded_for) {
    return {.status = 400,
            .body = BadField(Concat("Unsupported header name. Key: ", request.forwarded_for->name)),
            .fields = {}};
  }
  if (WithoutDoubleSlashes(request.path) != kTokenPath) {
    return {.status = 404, .body = NotFound(request.path), .fields = {}};
  }
  if (!request.token_lifetime) {
    return {.status = 400,
            .body =
                "Token time to live value not found. Use `X-metadata-token-ttl-seconds` or "
                "`X-aws-ec2-metadata-token-ttl-seconds` header to specify the token's "
                "lifetime.",
            .fields = {}};
  }
  const auto [name, value] = *request.token_lifetime;
  const std::optional<uint32_t> seconds = ParseLifetime(value);
  if (!seconds) {
    return {.status = 400,
            .body = BadField(Concat("Invalid value. Key:", name, "; Value:", value)),
            .fields = {}};
  }
  if (*seconds < kMinLifetimeSeconds || *seconds > kMaxLifetimeSeconds) {
    return {.status = 400,
            .body = Concat("Invalid time to live value provided for token: ", *seconds,
                           ". Please provide a value between ", kMinLifetimeSeconds, " and ",
                           kMaxLifetimeSeconds, "."),
            .fields = {}};
  }
  const MutexLock lock(mutex_);
  return {.body = tokens_.Make(std::chrono::seconds(*seconds), options_.clock->Now()),
          .fields = Concat(name, ": ", *seconds, "\r\n")};
}

GuestService::Answer GuestService::Write(const Response& response, std::string_view version,
                                         bool keep_alive) {
  return {
      .bytes = Concat(version, " ", response.status, " \r\nServer: Firecracker API\r\n",
                      "Connection: ", keep_alive ? "keep-alive" : "close", "\r\n", response.fields,
                      "Content-Type: ", response.json ? "application/json" : "text/plain",
                      "\r\nContent-Length: ", response.body.size(), "\r\n\r\n", response.body),
      .keep_alive = keep_alive};
}

}  // namespace ember::mmds
