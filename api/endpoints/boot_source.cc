#include "api/endpoints/endpoints.h"
#include "vmm/config_json.h"

namespace ember::api {

Result<Outcome> PutBootSource(const Call& call) {
  return ActionCall{vmm::PutBootSource{TRY(ReadBody(call.body, vmm::ReadBootSource))}};
}

}  // namespace ember::api
