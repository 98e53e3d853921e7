#include "api/message.h"

#include "base/concat.h"
#include "vmm/config_json_writer.h"

namespace ember::api {
namespace {

void AppendStatus(std::string& out, uint32_t status) {
  out += "HTTP/1.1 ";
  out += Concat(status);
  out += " \r\nServer: Firecracker API\r\nConnection: ";
}

void AppendHead(std::string& out, uint32_t status, AfterResponse after) {
  AppendStatus(out, status);
  out += after == AfterResponse::kKeepAlive ? "keep-alive\r\n" : "close\r\n";
}

}  // namespace

Response Fault(std::string_view message, HttpStatus status) {
  Response response{.status = status, .body = "{\"fault_message\":"};
  vmm::AppendJsonString(response.body, message);
  response.body += '}';
  return response;
}

Response UpgradeRequired(Protocol protocol) {
  Response response = Fault(Concat("This is to be had by the headers Connection: Upgrade and ",
                                   "Upgrade: ", NameOf(protocol), " alone."),
                            HttpStatus::kUpgradeRequired);
  response.upgrade = protocol;
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
  if (response.upgrade == Protocol::kHttp) {
    AppendHead(out, static_cast<uint32_t>(response.status), after);
  } else {
    AppendStatus(out, static_cast<uint32_t>(response.status));
    out += after == AfterResponse::kKeepAlive ? "keep-alive, Upgrade" : "close, Upgrade";
    out += Concat("\r\nUpgrade: ", NameOf(response.upgrade), "\r\n");
  }
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

void AppendStreamHead(std::string& out, std::string_view content_type) {
  AppendHead(out, static_cast<uint32_t>(HttpStatus::kOk), AfterResponse::kClose);
  out += Concat("Content-Type: ", content_type, "\r\nCache-Control: no-store\r\n\r\n");
}

void AppendUpgradeHead(std::string& out, Protocol protocol) {
  AppendStatus(out, 101);
  out += Concat("Upgrade\r\nUpgrade: ", NameOf(protocol), "\r\n\r\n");
}

void AppendContinue(std::string& out) {
  AppendHead(out, 100, AfterResponse::kKeepAlive);
  out += "\r\n";
}

}  // namespace ember::api
