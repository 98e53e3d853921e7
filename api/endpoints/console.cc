#include "api/endpoints/endpoints.h"
#include "vmm/console/console_json.h"

namespace ember::api {

Result<Outcome> PutConsole(const Call& call) {
  return ActionCall{vmm::PutConsole{TRY(ReadBody(call.body, vmm::ReadConsole))}};
}

}  // namespace ember::api
