#include "api/endpoints/endpoints.h"
#include "vmm/lifecycle/lifecycle_json.h"

namespace ember::api {

Result<Outcome> PutLifecycle(const Call& call) {
  return ActionCall{vmm::PutLifecycle{TRY(ReadBody(call.body, vmm::ReadLifecycle))}};
}

}  // namespace ember::api
