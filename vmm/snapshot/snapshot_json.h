#ifndef EMBER_VMM_SNAPSHOT_SNAPSHOT_JSON_H_
#define EMBER_VMM_SNAPSHOT_SNAPSHOT_JSON_H_

#include "base/result.h"
#include "vmm/config_json_value.h"
#include "vmm/snapshot/snapshot_request.h"

// What clients say of snapshots as JSON, as vmm/config_json.h describes it.
namespace ember::vmm {

Result<SnapshotCreation> ReadSnapshotCreation(const JsonValue& json);
Result<WorkingSetFile> ReadWorkingSetFile(const JsonValue& json);
// The memory's file may be named in the contract's older way too, and so may the tracking of pages.
Result<SnapshotLoad> ReadSnapshotLoad(const JsonValue& json);
// The same of a machine that comes without files, one that was forked; it runs unless told not to.
Result<SnapshotLoad> ReadHandedLoad(const JsonValue& json);

}  // namespace ember::vmm

#endif  // EMBER_VMM_SNAPSHOT_SNAPSHOT_JSON_H_
