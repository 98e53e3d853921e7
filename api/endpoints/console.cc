#include <string>

#include "api/endpoints/endpoints.h"
#include "api/query.h"
#include "vmm/console/console_json.h"

namespace ember::api {

Result<Outcome> GetConsole(const Call& call) {
  static constexpr std::string_view kNames[] = {"port"};
  const Query query = TRY(Query::Parse(call.query, kNames));
  if (call.machine.state == vmm::MachineState::kNotStarted) {
    return Error("The requested operation is not supported before starting the microVM.");
  }
  if (call.upgrade != Protocol::kConsole) return UpgradeRequired(Protocol::kConsole);
  ConsoleCall console;
  if (const auto port = query.Text("port")) console.port = std::string(*port);
  return console;
}

Result<Outcome> PutConsole(const Call& call) {
  return ActionCall{vmm::PutConsole{TRY(ReadBody(call.body, vmm::ReadConsole))}};
}

Result<Outcome> PatchConsole(const Call& call) {
  return ActionCall{vmm::ResizeConsole{TRY(ReadBody(call.body, vmm::ReadConsoleResize))}};
}

}  // namespace ember::api
