#include <utility>

#include "api/endpoints/endpoints.h"
#include "vmm/pmem/pmem_json.h"

namespace ember::api {

Result<Outcome> PutPmem(const Call& call) {
  vmm::PmemConfig pmem = TRY(ReadBody(call.body, vmm::ReadPmem));
  TRY(CheckIds(call.id, pmem.id, "id"));
  return ActionCall{vmm::PutPmem{std::move(pmem)}};
}

Result<Outcome> PatchPmem(const Call& call) {
  vmm::PmemUpdate update = TRY(ReadBody(call.body, vmm::ReadPmemUpdate));
  TRY(CheckIds(call.id, update.id, "id"));
  return ActionCall{vmm::DeviceAction{vmm::PatchPmem{std::move(update)}}};
}

}  // namespace ember::api
