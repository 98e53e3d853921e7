#ifndef EMBER_VMM_SNAPSHOT_OVERRIDES_JSON_H_
#define EMBER_VMM_SNAPSHOT_OVERRIDES_JSON_H_

#include "base/result.h"
#include "vmm/config_json_value.h"
#include "vmm/snapshot/overrides.h"

// Overrides as JSON, as vmm/config_json.h describes it.
namespace ember::vmm {

// Those of a request: its fields network_overrides, vsock_override, drive_overrides, pmem_overrides
// and console_overrides. Whether others are there the caller looks.
Result<Overrides> ReadOverrides(const JsonValue& request);

}  // namespace ember::vmm

#endif  // EMBER_VMM_SNAPSHOT_OVERRIDES_JSON_H_
