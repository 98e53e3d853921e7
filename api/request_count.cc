#include "api/request_count.h"

#include <algorithm>
#include <iterator>

namespace ember::api {
namespace {

// Where the requests to a path are counted, and where those that fail.
template <typename Metrics>
struct Place {
  std::string_view path;
  Counter Metrics::*count;
  Counter Metrics::*fails = nullptr;
};

constexpr Place<vmm::GetRequestMetrics> kGets[] = {
    {"/", &vmm::GetRequestMetrics::instance_info_count},
    {"/hotplug/memory", &vmm::GetRequestMetrics::hotplug_memory_count},
    {"/machine-config", &vmm::GetRequestMetrics::machine_cfg_count},
    {"/mmds", &vmm::GetRequestMetrics::mmds_count},
    {"/version", &vmm::GetRequestMetrics::vmm_version_count},
};
constexpr Place<vmm::PutRequestMetrics> kPuts[] = {
    {"/actions", &vmm::PutRequestMetrics::actions_count, &vmm::PutRequestMetrics::actions_fails},
    {"/boot-source", &vmm::PutRequestMetrics::boot_source_count,
     &vmm::PutRequestMetrics::boot_source_fails},
    {"/cpu-config", &vmm::PutRequestMetrics::cpu_cfg_count, &vmm::PutRequestMetrics::cpu_cfg_fails},
    {"/drives/", &vmm::PutRequestMetrics::drive_count, &vmm::PutRequestMetrics::drive_fails},
    {"/hotplug/memory", &vmm::PutRequestMetrics::hotplug_memory_count,
     &vmm::PutRequestMetrics::hotplug_memory_fails},
    {"/logger", &vmm::PutRequestMetrics::logger_count, &vmm::PutRequestMetrics::logger_fails},
    {"/machine-config", &vmm::PutRequestMetrics::machine_cfg_count,
     &vmm::PutRequestMetrics::machine_cfg_fails},
    {"/metrics", &vmm::PutRequestMetrics::metrics_count, &vmm::PutRequestMetrics::metrics_fails},
    {"/mmds", &vmm::PutRequestMetrics::mmds_count, &vmm::PutRequestMetrics::mmds_fails},
    {"/mmds/config", &vmm::PutRequestMetrics::mmds_count, &vmm::PutRequestMetrics::mmds_fails},
    {"/network-interfaces/", &vmm::PutRequestMetrics::network_count,
     &vmm::PutRequestMetrics::network_fails},
    {"/pmem/", &vmm::PutRequestMetrics::pmem_count, &vmm::PutRequestMetrics::pmem_fails},
    {"/serial", &vmm::PutRequestMetrics::serial_count, &vmm::PutRequestMetrics::serial_fails},
    {"/vsock", &vmm::PutRequestMetrics::vsock_count, &vmm::PutRequestMetrics::vsock_fails},
};
constexpr Place<vmm::PatchRequestMetrics> kPatches[] = {
    {"/drives/", &vmm::PatchRequestMetrics::drive_count, &vmm::PatchRequestMetrics::drive_fails},
    {"/hotplug/memory", &vmm::PatchRequestMetrics::hotplug_memory_count,
     &vmm::PatchRequestMetrics::hotplug_memory_fails},
    {"/machine-config", &vmm::PatchRequestMetrics::machine_cfg_count,
     &vmm::PatchRequestMetrics::machine_cfg_fails},
    {"/mmds", &vmm::PatchRequestMetrics::mmds_count, &vmm::PatchRequestMetrics::mmds_fails},
    {"/network-interfaces/", &vmm::PatchRequestMetrics::network_count,
     &vmm::PatchRequestMetrics::network_fails},
    {"/pmem/", &vmm::PatchRequestMetrics::pmem_count, &vmm::PatchRequestMetrics::pmem_fails},
};

template <typename Metrics, size_t n>
Tally Count(const Place<Metrics> (&places)[n], std::string_view path, Metrics& metrics) {
  const auto place = std::ranges::find(places, path, &Place<Metrics>::path);
  if (place == std::end(places)) return {};
  (metrics.*place->count).Add();
  if (place->fails == nullptr) return {};
  return {.fails = &(metrics.*place->fails)};
}

}  // namespace

Tally CountRequest(Method method, std::string_view route_path, vmm::ControlMetrics& metrics) {
  switch (method) {
    case Method::kGet:
      return Count(kGets, route_path, metrics.get_requests);
    case Method::kPut:
      return Count(kPuts, route_path, metrics.put_requests);
    case Method::kPatch:
      return Count(kPatches, route_path, metrics.patch_requests);
    case Method::kDelete:
    case Method::kOther:
      break;
  }
  return {};
}

}  // namespace ember::api
