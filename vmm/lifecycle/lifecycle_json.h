#ifndef EMBER_VMM_LIFECYCLE_LIFECYCLE_JSON_H_
#define EMBER_VMM_LIFECYCLE_LIFECYCLE_JSON_H_

#include "base/result.h"
#include "vmm/config_json_value.h"
#include "vmm/config_json_writer.h"
#include "vmm/lifecycle/lifecycle.h"

namespace ember::vmm {

Result<LifecycleConfig> ReadLifecycle(const JsonValue& json);
void WriteFields(JsonWriter& out, const LifecycleConfig& lifecycle);

}  // namespace ember::vmm

#endif  // EMBER_VMM_LIFECYCLE_LIFECYCLE_JSON_H_
