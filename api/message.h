#ifndef EMBER_API_MESSAGE_H_
#define EMBER_API_MESSAGE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/protocol.h"
#include "base/fd.h"

namespace ember::api {

enum class Method : uint8_t { kGet, kPut, kPatch, kDelete, kOther };

// One request, as far as the API cares. Borrows from the parser that read it.
struct Request {
  Method method = Method::kOther;
  std::string_view method_name;  // as sent
  std::string_view path;         // begins with '/'
  std::string_view body;
  Protocol upgrade = Protocol::kHttp;      // what the connection is to become
  std::vector<Fd>* descriptors = nullptr;  // that came with it, to be taken; null: none
};

enum class HttpStatus : uint16_t {
  kOk = 200,
  kNoContent = 204,
  kBadRequest = 400,
  kPayloadTooLarge = 413,
  kUpgradeRequired = 426,
  kServiceUnavailable = 503,
};

// One answer. `body` is of the content type, or empty with kNoContent.
struct Response {
  HttpStatus status = HttpStatus::kNoContent;
  std::string body;
  bool deprecated = false;  // the request used what the contract wants no longer used
  std::string_view content_type = "application/json";  // of static life
  Protocol upgrade = Protocol::kHttp;  // with kUpgradeRequired: what is to be asked for
};

// 400, or as `status` says, with {"fault_message": …}: the request was understood and refused.
Response Fault(std::string_view message, HttpStatus status = HttpStatus::kBadRequest);
// 426: what was asked for is to be had by `protocol` alone.
Response UpgradeRequired(Protocol protocol);
// 400 with { "error": … }: it could not be read as a request. `message` is without a full stop at
// its end.
Response TransportError(std::string_view message);

enum class AfterResponse : uint8_t { kKeepAlive, kClose };

// Appends the answer's bytes on the wire. The head is the contract's, byte for byte: no reason
// phrase, and no headers but Server, Connection, Upgrade and Deprecation where they apply and, with
// a body, Content-Type and Content-Length.
void AppendResponse(std::string& out, const Response& response, AfterResponse after);
// Appends the head of lines that follow until the connection ends.
void AppendStreamHead(std::string& out, std::string_view content_type);
// Appends 101, behind which the connection is the protocol's.
void AppendUpgradeHead(std::string& out, Protocol protocol);
// Appends what tells a client that waits with its body to send it.
void AppendContinue(std::string& out);

}  // namespace ember::api

#endif  // EMBER_API_MESSAGE_H_
