#include "api/endpoints/endpoints.h"
#include "base/log.h"
#include "vmm/vsock/vsock_json.h"

namespace ember::api {

Result<Outcome> PutVsock(const Call& call) {
  const vmm::JsonValue json = TRY(ParseBody(call.body));
  const Result<vmm::VsockConfig> vsock = vmm::ReadVsock(json);
  if (!vsock) return BodyError(vsock.error());
  const vmm::JsonValue* const id = json.Find("vsock_id");
  const bool names_id = id != nullptr && !id->is_null();
  if (names_id) {
    EMBER_LOG_LIMITED(kWarning, "PUT /vsock: vsock_id is deprecated and changes nothing");
  }
  return ActionCall{.action = vmm::PutVsock{*vsock}, .deprecated = names_id};
}

}  // namespace ember::api
