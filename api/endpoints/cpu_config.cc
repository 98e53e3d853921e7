#include "api/endpoints/endpoints.h"
#include "vmm/cpu/cpu_config_json.h"

namespace ember::api {

Result<Outcome> PutCpuConfig(const Call& call) {
  return ActionCall{vmm::PutCpuConfig{TRY(ReadBody(call.body, vmm::ReadCpuConfig))}};
}

}  // namespace ember::api
