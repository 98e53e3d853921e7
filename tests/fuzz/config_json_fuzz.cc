#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "vmm/config_json.h"
#include "vmm/config_json_writer.h"
#include "vmm/logger/logger_json.h"

namespace {

using namespace ember;  // NOLINT(google-build-using-namespace): a program of its own

// Whatever is accepted and shown must be accepted again and mean the same.
void CheckRoundTrip(vmm::VmConfig config) {
  config.logger.reset();  // these are not shown
  config.metrics.reset();
  const Result<vmm::VmConfig> again = vmm::ParseConfigFile(vmm::ToJson(config));
  EMBER_CHECK(again.has_value());
  EMBER_CHECK(*again == config);
}

// What a client adds to lines of metrics, and whatever it named it, leaves them lines of JSON.
void CheckExtras(const vmm::MetricsConfig& metrics) {
  std::string members = vmm::LineExtras(metrics, "a\"b\n");
  if (members.empty()) return;
  EMBER_CHECK(members.find('\n') == std::string::npos);
  members.back() = '}';
  EMBER_CHECK(vmm::ParseJson("{" + members).has_value());
}

}  // namespace

// A hostile text, as the configuration file and as the body of every request that has one. No text
// may crash, and each error must fit into an answer.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(data, data + size);
  if (auto config = vmm::ParseConfigFile(text)) CheckRoundTrip(*std::move(config));

  const Result<vmm::JsonValue> json = vmm::ParseJson(text);
  if (!json) {
    std::string shown;
    vmm::AppendJsonString(shown, json.error().message());
    EMBER_CHECK(vmm::ParseJson(shown).has_value());
    return 0;
  }
  static_cast<void>(vmm::ReadMachineConfigUpdate(*json));
  static_cast<void>(vmm::ReadBootSource(*json));
  static_cast<void>(vmm::ReadDrive(*json));
  static_cast<void>(vmm::ReadSerial(*json));
  static_cast<void>(vmm::ReadLogger(*json));
  if (const auto metrics = vmm::ReadMetrics(*json)) CheckExtras(*metrics);
  if (const auto cpu = vmm::ReadCpuConfig(*json)) {
    vmm::JsonWriter out;
    out.BeginObject();
    vmm::WriteFields(out, *cpu);
    out.EndObject();
    const auto again = vmm::ReadCpuConfig(*vmm::ParseJson(std::move(out).Take()));
    EMBER_CHECK(again.has_value() && *again == *cpu);
  }
  if (const auto machine = vmm::ReadMachineConfig(*json)) {
    const auto again = vmm::ReadMachineConfig(*vmm::ParseJson(vmm::ToJson(*machine)));
    EMBER_CHECK(again.has_value() && *again == *machine);
  }
  return 0;
}
