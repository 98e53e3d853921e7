#include "api/endpoints/endpoints.h"
#include "vmm/metrics/metrics_config.h"

namespace ember::api {

Result<Outcome> GetMetrics(const Call& /*call*/) { return ActionCall{vmm::GetMetrics{}}; }

Result<Outcome> PutMetrics(const Call& call) {
  return ActionCall{vmm::PutMetrics{TRY(ReadBody(call.body, vmm::ReadMetrics))}};
}

}  // namespace ember::api
