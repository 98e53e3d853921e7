#ifndef EMBER_VMM_PMEM_PMEM_JSON_H_
#define EMBER_VMM_PMEM_PMEM_JSON_H_

#include "base/result.h"
#include "vmm/config_json_value.h"
#include "vmm/config_json_writer.h"
#include "vmm/pmem/pmem.h"

// Persistent memory devices as JSON, as vmm/config_json.h describes it.
namespace ember::vmm {

Result<PmemConfig> ReadPmem(const JsonValue& json);
Result<PmemUpdate> ReadPmemUpdate(const JsonValue& json);
// The members of a device's object.
void WriteFields(JsonWriter& out, const PmemConfig& pmem);

}  // namespace ember::vmm

#endif  // EMBER_VMM_PMEM_PMEM_JSON_H_
