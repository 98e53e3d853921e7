#ifndef EMBER_TESTS_VMM_METRICS_METRICS_FIXTURE_H_
#define EMBER_TESTS_VMM_METRICS_METRICS_FIXTURE_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/check.h"
#include "base/concat.h"
#include "vmm/config_json_value.h"
#include "vmm/metrics/machine_metrics.h"
#include "vmm/metrics/walk.h"

namespace ember::vmm {

// Counters of a machine that has everything once, and drives twice.
struct SampleMachine {
  virtio::BlockMetrics rootfs;
  virtio::BlockMetrics data;
  virtio::vhost_user::BlockMetrics shared;
  virtio::PmemMetrics pmem;
  virtio::NetMetrics eth0;
  virtio::ConsoleMetrics console;
  virtio::TransportMetrics transport;
  kvm::VcpuMetrics vcpus[2];

  MachineMetrics metrics() const {
    MachineMetrics machine;
    machine.drives = {{"rootfs", &rootfs}, {"data", &data}};
    machine.socket_drives = {{"s0", &shared}};
    machine.pmem = {{"p0", &pmem}};
    machine.network_interfaces = {{"eth0", &eth0}};
    machine.console = {{"", &console}};
    machine.transports = {{"rootfs", &transport}};
    machine.vcpus = {{"0", &vcpus[0]}, {"1", &vcpus[1]}};
    return machine;
  }
};

inline void AddNumbers(const JsonValue& json, const std::string& path,
                       std::map<std::string, uint64_t>& numbers) {
  if (const auto* number = std::get_if<uint64_t>(&json.value)) {
    numbers[path] = *number;
    return;
  }
  const auto* object = std::get_if<JsonValue::Object>(&json.value);
  if (object == nullptr) return;
  for (const auto& [name, value] : *object) {
    AddNumbers(value, path.empty() ? name : Concat(path, ".", name), numbers);
  }
}

// The numbers of a line, by their path: "block.read_agg.sum_us". The line is checked to be one.
inline std::map<std::string, uint64_t> NumbersOf(std::string_view line) {
  EMBER_CHECK(line.ends_with('\n') && line.find('\n') == line.size() - 1);
  const Result<JsonValue> json = ParseJson(line);
  EMBER_CHECK(json.has_value());
  std::map<std::string, uint64_t> numbers;
  AddNumbers(*json, "", numbers);
  return numbers;
}

}  // namespace ember::vmm

#endif  // EMBER_TESTS_VMM_METRICS_METRICS_FIXTURE_H_
