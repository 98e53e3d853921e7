#include "api/message.h"

#include "base/concat.h"
#include "vmm/config_json_writer.h"

namespace ember::api {
namespace {

void AppendHead(std::string& out, uint32_t status, AfterResponse after) {
  out += "HTTP/1.1 ";
  out += Concat(status);
  out += " \r\nServer: Firecracker API\r\nConnection: ";
  out += after == AfterResponse::kKeepAlive ? "keep-alive\r\n" : "close\r\n";
}

}  // namespace

Response Fault(std::string_view message, HttpStatus status) {
  Response response{.status = status, .body = "{\"fault_message\":"};
  vmm::AppendJsonString(response.body, message);
  response.body += '}';
  return response;
}

Response TransportError(std::string_view message) {
  Response response{.status = HttpStatus::kBadRequest, .body = "{ \"error\": "};
  vmm::AppendJsonString(response.body,
                        Concat(message, ".\nAll previous unanswered requests will be dropped."));
  response.body += " }";
  return response;
}

void AppendResponse(std::string& out, const Response& response, AfterResponse after) {
  AppendHead(out, static_cast<uint32_t>(response.status), after);
  if (response.deprecated) out += "Deprecation: true\r\n";
  if (response.status != HttpStatus::kNoContent) {
    out += "Content-Type: ";
    out += response.content_type;
    out += "\r\nContent-Length: ";
    out += Concat(response.body.size());
    out += "\r\n";
  }
  out += "\r\n";
  out += response.body;
}

void AppendStreamHead(std::string& out) {
  AppendHead(out, static_cast<uint32_t>(HttpStatus::kOk), AfterResponse::kClose);
  out += "Content-Type: application/x-ndjson\r\nCache-Control: no-store\r\n\r\n";
}

void AppendContinue(std::string& out) {
  AppendHead(out, 100, AfterResponse::kKeepAlive);
  out += "\r\n";
}

}  // namespace ember::api
