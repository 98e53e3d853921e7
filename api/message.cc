#include "api/message.h"

#include "base/concat.h"
#include "vmm/config_json.h"

namespace ember::api {

Response Fault(std::string_view message) {
  return {HttpStatus::kBadRequest, Concat("{\"fault_message\":", vmm::JsonString(message), "}")};
}

Response TransportError(std::string_view message) {
  return {HttpStatus::kBadRequest, Concat("{ \"error\": ", vmm::JsonString(message), " }")};
}

std::string Serialize(const Response& response, AfterResponse after) {
  std::string out = Concat("HTTP/1.1 ", static_cast<uint32_t>(response.status),
                           " \r\nServer: Firecracker API\r\nConnection: ",
                           after == AfterResponse::kKeepAlive ? "keep-alive" : "close", "\r\n");
  if (response.status == HttpStatus::kNoContent) return out + "\r\n";
  out += Concat("Content-Type: application/json\r\nContent-Length: ", response.body.size(),
                "\r\n\r\n", response.body);
  return out;
}

}  // namespace ember::api
