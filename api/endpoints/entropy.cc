#include "api/endpoints/endpoints.h"
#include "vmm/entropy/entropy_json.h"

namespace ember::api {

Result<Outcome> PutEntropy(const Call& call) {
  return ActionCall{vmm::PutEntropy{TRY(ReadBody(call.body, vmm::ReadEntropy))}};
}

}  // namespace ember::api
