#ifndef EMBER_VMM_CPU_CPU_CONFIG_JSON_H_
#define EMBER_VMM_CPU_CPU_CONFIG_JSON_H_

#include "base/result.h"
#include "vmm/config_json_value.h"
#include "vmm/config_json_writer.h"
#include "vmm/cpu/cpu_config.h"

namespace ember::vmm {

// The body of PUT /cpu-config and the configuration file's cpu-config. Strict, as all bodies. What
// is another architecture's is an error unless empty.
Result<CpuConfig> ReadCpuConfig(const JsonValue& json);
void WriteFields(JsonWriter& out, const CpuConfig& cpu);

}  // namespace ember::vmm

#endif  // EMBER_VMM_CPU_CPU_CONFIG_JSON_H_
