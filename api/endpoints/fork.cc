#include <memory>
#include <utility>
#include <vector>

#include "api/endpoints/endpoints.h"
#include "vmm/fork/fork_json.h"
#include "vmm/fork/handed_machine.h"
#include "vmm/snapshot/snapshot_json.h"

namespace ember::api {

Result<Outcome> PutFork(const Call& call) {
  return ActionCall{vmm::ForkMachine{TRY(ReadBody(call.body, vmm::ReadFork))}};
}

Result<Outcome> PutForkReceive(const Call& call) {
  if (call.machine.state != vmm::MachineState::kNotStarted) {
    return Error("The requested operation is not supported after starting the microVM.");
  }
  vmm::SnapshotLoad load = TRY(ReadBody(call.body, vmm::ReadHandedLoad));
  std::vector<Fd> descriptors;
  if (call.descriptors != nullptr) descriptors = std::exchange(*call.descriptors, {});
  load.handed = std::make_shared<const vmm::HandedMachine>(
      TRY(vmm::TakeHandedMachine(std::move(descriptors))));
  return ActionCall{vmm::LoadSnapshot{std::move(load)}};
}

}  // namespace ember::api
