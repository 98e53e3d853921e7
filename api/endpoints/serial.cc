#include "api/endpoints/endpoints.h"
#include "vmm/config_json.h"

namespace ember::api {

Result<Outcome> PutSerial(const Call& call) {
  return ActionCall{vmm::PutSerial{TRY(ReadBody(call.body, vmm::ReadSerial))}};
}

}  // namespace ember::api
