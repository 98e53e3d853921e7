#include "api/endpoints/endpoints.h"
#include "vmm/logger/logger_json.h"

namespace ember::api {

Result<Outcome> PutLogger(const Call& call) {
  return ActionCall{vmm::PutLogger{TRY(ReadBody(call.body, vmm::ReadLogger))}};
}

}  // namespace ember::api
