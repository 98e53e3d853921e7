#ifndef EMBER_VMM_MEMORY_HOTPLUG_MEMORY_HOTPLUG_JSON_H_
#define EMBER_VMM_MEMORY_HOTPLUG_MEMORY_HOTPLUG_JSON_H_

#include "base/result.h"
#include "vmm/config_json_value.h"
#include "vmm/config_json_writer.h"
#include "vmm/memory_hotplug/memory_hotplug.h"

// Memory hotplug as JSON, as vmm/config_json.h describes it.
namespace ember::vmm {

Result<MemoryHotplugConfig> ReadMemoryHotplug(const JsonValue& json);
Result<MemoryHotplugUpdate> ReadMemoryHotplugUpdate(const JsonValue& json);
// The members of the configuration's object.
void WriteFields(JsonWriter& out, const MemoryHotplugConfig& memory);

}  // namespace ember::vmm

#endif  // EMBER_VMM_MEMORY_HOTPLUG_MEMORY_HOTPLUG_JSON_H_
