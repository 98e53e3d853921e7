#include <string_view>
#include <utility>

#include "api/endpoints/endpoints.h"
#include "base/log.h"
#include "vmm/snapshot/snapshot_json.h"

namespace ember::api {
namespace {

// Whether the body uses a field that the contract wants no longer used.
bool UsesDeprecated(const vmm::JsonValue& json) {
  bool uses = false;
  for (const std::string_view name : {"mem_file_path", "enable_diff_snapshots"}) {
    const vmm::JsonValue* const field = json.Find(name);
    if (field == nullptr || field->is_null()) continue;
    EMBER_LOG_LIMITED(kWarning, "PUT /snapshot/load: ", name, " is deprecated");
    uses = true;
  }
  return uses;
}

}  // namespace

Result<Outcome> PutSnapshotCreate(const Call& call) {
  return ActionCall{vmm::CreateSnapshot{TRY(ReadBody(call.body, vmm::ReadSnapshotCreation))}};
}

Result<Outcome> PutSnapshotLoad(const Call& call) {
  const vmm::JsonValue json = TRY(ParseBody(call.body));
  Result<vmm::SnapshotLoad> load = vmm::ReadSnapshotLoad(json);
  if (!load) return BodyError(load.error());
  return ActionCall{.action = vmm::LoadSnapshot{*std::move(load)},
                    .deprecated = UsesDeprecated(json)};
}

Result<Outcome> PutSnapshotWorkingSet(const Call& call) {
  return ActionCall{vmm::SaveWorkingSet{TRY(ReadBody(call.body, vmm::ReadWorkingSetFile))}};
}

}  // namespace ember::api
