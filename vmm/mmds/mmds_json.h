#ifndef EMBER_VMM_MMDS_MMDS_JSON_H_
#define EMBER_VMM_MMDS_MMDS_JSON_H_

#include "base/result.h"
#include "vmm/config_json_value.h"
#include "vmm/config_json_writer.h"
#include "vmm/mmds/mmds.h"

// The metadata service's configuration as JSON, as vmm/config_json.h describes it.
namespace ember::vmm {

Result<MmdsConfig> ReadMmds(const JsonValue& json);
// The members of its object.
void WriteFields(JsonWriter& out, const MmdsConfig& mmds);

}  // namespace ember::vmm

#endif  // EMBER_VMM_MMDS_MMDS_JSON_H_
