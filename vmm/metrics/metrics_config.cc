#include "vmm/metrics/metrics_config.h"

#include <utility>
#include <variant>

#include "base/concat.h"
#include "vmm/config_json_reader.h"
#include "vmm/config_json_writer.h"

namespace ember::vmm {
namespace {

Result<std::map<std::string, std::string>> ReadProperties(const JsonValue& json) {
  const auto* object = std::get_if<JsonValue::Object>(&json.value);
  if (object == nullptr) {
    return Error(Concat("properties: invalid type: ", DescribeJson(json), ", expected a map"));
  }
  std::map<std::string, std::string> properties;
  for (const auto& [name, value] : *object) {
    const auto* text = std::get_if<std::string>(&value.value);
    if (text == nullptr) {
      return Error(Concat("properties: ", name, ": invalid type: ", DescribeJson(value),
                          ", expected a string"));
    }
    properties[name] = *text;
  }
  return properties;
}

}  // namespace

Result<MetricsConfig> ReadMetrics(const JsonValue& json) {
  const ObjectReader in = TRY(ObjectReader::CreateTolerant(json));
  MetricsConfig metrics;
  metrics.metrics_path = TRY(in.Required<std::string>("metrics_path"));
  metrics.emit_id = TRY(in.WithDefault("emit_id", metrics.emit_id));
  if (const JsonValue* properties = in.FindPart("properties")) {
    metrics.properties = TRY(ReadProperties(*properties));
  }
  return metrics;
}

std::string LineExtras(const MetricsConfig& metrics, std::string_view instance_id) {
  std::string out;
  if (metrics.emit_id) {
    out += "\"id\":";
    AppendJsonString(out, instance_id);
    out += ',';
  }
  if (!metrics.properties.empty()) {
    JsonWriter properties;
    properties.BeginObject();
    for (const auto& [name, value] : metrics.properties) properties.Field(name, value);
    properties.EndObject();
    out += "\"properties\":";
    out += std::move(properties).Take();
    out += ',';
  }
  return out;
}

}  // namespace ember::vmm
