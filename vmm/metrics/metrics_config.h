#ifndef EMBER_VMM_METRICS_METRICS_CONFIG_H_
#define EMBER_VMM_METRICS_METRICS_CONFIG_H_

#include <map>
#include <string>

#include "base/result.h"
#include "vmm/config_json_value.h"

// Where a client wants its metrics, and what each line is to say besides.
namespace ember::vmm {

struct MetricsConfig {
  std::string metrics_path;
  bool emit_id = false;
  std::map<std::string, std::string> properties;  // as the client names them

  friend bool operator==(const MetricsConfig&, const MetricsConfig&) = default;
};

// As vmm/config_json.h describes it, but that the contract passes over fields it does not know. It
// is never shown: clients of the contract find null.
Result<MetricsConfig> ReadMetrics(const JsonValue& json);

// The members that `metrics` adds to each line, each followed by a comma: "id":"vm1",
std::string LineExtras(const MetricsConfig& metrics, std::string_view instance_id);

}  // namespace ember::vmm

#endif  // EMBER_VMM_METRICS_METRICS_CONFIG_H_
