#ifndef EMBER_VMM_METRICS_CONTROL_METRICS_H_
#define EMBER_VMM_METRICS_CONTROL_METRICS_H_

#include <csignal>
#include <cstdint>

#include "base/counter.h"
#include "base/fatal_signals.h"
#include "base/gauge.h"
#include "base/log.h"
#include "base/metric_field.h"

// What the process counts of itself and of its clients, by the names under which clients read it.
// Written and read by any thread.
namespace ember::vmm {

struct ApiServerMetrics {
  Gauge process_startup_time_us;  // from the start that the parent names until clients are served
  Gauge process_startup_time_cpu_us;
};

// Requests of clients, and those of them that were answered by an error.
struct GetRequestMetrics {
  Counter instance_info_count;
  Counter machine_cfg_count;
  Counter mmds_count;
  Counter vmm_version_count;
  Counter hotplug_memory_count;
};

struct PutRequestMetrics {
  Counter actions_count;
  Counter actions_fails;
  Counter boot_source_count;
  Counter boot_source_fails;
  Counter drive_count;
  Counter drive_fails;
  Counter logger_count;
  Counter logger_fails;
  Counter machine_cfg_count;
  Counter machine_cfg_fails;
  Counter cpu_cfg_count;
  Counter cpu_cfg_fails;
  Counter metrics_count;
  Counter metrics_fails;
  Counter network_count;
  Counter network_fails;
  Counter mmds_count;
  Counter mmds_fails;
  Counter vsock_count;
  Counter vsock_fails;
  Counter pmem_count;
  Counter pmem_fails;
  Counter serial_count;
  Counter serial_fails;
  Counter hotplug_memory_count;
  Counter hotplug_memory_fails;
};

struct PatchRequestMetrics {
  Counter drive_count;
  Counter drive_fails;
  Counter network_count;
  Counter network_fails;
  Counter machine_cfg_count;
  Counter machine_cfg_fails;
  Counter mmds_count;
  Counter mmds_fails;
  Counter pmem_count;
  Counter pmem_fails;
  Counter hotplug_memory_count;
  Counter hotplug_memory_fails;
};

struct DeprecatedApiMetrics {
  Counter deprecated_http_api_calls;
};

// How long the last one took: as the client saw it, and without the way to the machine and back.
struct LatencyMetrics {
  Gauge full_create_snapshot;
  Gauge diff_create_snapshot;
  Gauge load_snapshot;
  Gauge pause_vm;
  Gauge resume_vm;
  Gauge vmm_full_create_snapshot;
  Gauge vmm_diff_create_snapshot;
  Gauge vmm_load_snapshot;
  Gauge vmm_pause_vm;
  Gauge vmm_resume_vm;
};

// The other two of its section are the log's own.
struct LoggerMetrics {
  Counter missed_metrics_count;  // lines that could not be written; the next says what they would
  Counter metrics_fails;         // of these, those that the host refused for more than want of room
};

// Of signals that end the process, or would: what base/fatal_signals.h counts.
struct FatalSignalMetrics {};

struct ControlMetrics {
  ApiServerMetrics api_server;
  GetRequestMetrics get_requests;
  PutRequestMetrics put_requests;
  PatchRequestMetrics patch_requests;
  DeprecatedApiMetrics deprecated_api;
  LatencyMetrics latencies;
  LoggerMetrics logger;
  FatalSignalMetrics fatal_signals;
};

inline constexpr MetricField<ApiServerMetrics> kApiServerMetricFields[] = {
    {"process_startup_time_us", &ApiServerMetrics::process_startup_time_us},
    {"process_startup_time_cpu_us", &ApiServerMetrics::process_startup_time_cpu_us},
};
inline constexpr MetricField<GetRequestMetrics> kGetRequestMetricFields[] = {
    {"instance_info_count", &GetRequestMetrics::instance_info_count},
    {"machine_cfg_count", &GetRequestMetrics::machine_cfg_count},
    {"mmds_count", &GetRequestMetrics::mmds_count},
    {"vmm_version_count", &GetRequestMetrics::vmm_version_count},
    {"hotplug_memory_count", &GetRequestMetrics::hotplug_memory_count},
};
inline constexpr MetricField<PutRequestMetrics> kPutRequestMetricFields[] = {
    {"actions_count", &PutRequestMetrics::actions_count},
    {"actions_fails", &PutRequestMetrics::actions_fails},
    {"boot_source_count", &PutRequestMetrics::boot_source_count},
    {"boot_source_fails", &PutRequestMetrics::boot_source_fails},
    {"drive_count", &PutRequestMetrics::drive_count},
    {"drive_fails", &PutRequestMetrics::drive_fails},
    {"logger_count", &PutRequestMetrics::logger_count},
    {"logger_fails", &PutRequestMetrics::logger_fails},
    {"machine_cfg_count", &PutRequestMetrics::machine_cfg_count},
    {"machine_cfg_fails", &PutRequestMetrics::machine_cfg_fails},
    {"cpu_cfg_count", &PutRequestMetrics::cpu_cfg_count},
    {"cpu_cfg_fails", &PutRequestMetrics::cpu_cfg_fails},
    {"metrics_count", &PutRequestMetrics::metrics_count},
    {"metrics_fails", &PutRequestMetrics::metrics_fails},
    {"network_count", &PutRequestMetrics::network_count},
    {"network_fails", &PutRequestMetrics::network_fails},
    {"mmds_count", &PutRequestMetrics::mmds_count},
    {"mmds_fails", &PutRequestMetrics::mmds_fails},
    {"vsock_count", &PutRequestMetrics::vsock_count},
    {"vsock_fails", &PutRequestMetrics::vsock_fails},
    {"pmem_count", &PutRequestMetrics::pmem_count},
    {"pmem_fails", &PutRequestMetrics::pmem_fails},
    {"serial_count", &PutRequestMetrics::serial_count},
    {"serial_fails", &PutRequestMetrics::serial_fails},
    {"hotplug_memory_count", &PutRequestMetrics::hotplug_memory_count},
    {"hotplug_memory_fails", &PutRequestMetrics::hotplug_memory_fails},
};
inline constexpr MetricField<PatchRequestMetrics> kPatchRequestMetricFields[] = {
    {"drive_count", &PatchRequestMetrics::drive_count},
    {"drive_fails", &PatchRequestMetrics::drive_fails},
    {"network_count", &PatchRequestMetrics::network_count},
    {"network_fails", &PatchRequestMetrics::network_fails},
    {"machine_cfg_count", &PatchRequestMetrics::machine_cfg_count},
    {"machine_cfg_fails", &PatchRequestMetrics::machine_cfg_fails},
    {"mmds_count", &PatchRequestMetrics::mmds_count},
    {"mmds_fails", &PatchRequestMetrics::mmds_fails},
    {"pmem_count", &PatchRequestMetrics::pmem_count},
    {"pmem_fails", &PatchRequestMetrics::pmem_fails},
    {"hotplug_memory_count", &PatchRequestMetrics::hotplug_memory_count},
    {"hotplug_memory_fails", &PatchRequestMetrics::hotplug_memory_fails},
};
inline constexpr MetricField<DeprecatedApiMetrics> kDeprecatedApiMetricFields[] = {
    {"deprecated_http_api_calls", &DeprecatedApiMetrics::deprecated_http_api_calls},
};
inline constexpr MetricField<LatencyMetrics> kLatencyMetricFields[] = {
    {"full_create_snapshot", &LatencyMetrics::full_create_snapshot},
    {"diff_create_snapshot", &LatencyMetrics::diff_create_snapshot},
    {"load_snapshot", &LatencyMetrics::load_snapshot},
    {"pause_vm", &LatencyMetrics::pause_vm},
    {"resume_vm", &LatencyMetrics::resume_vm},
    {"vmm_full_create_snapshot", &LatencyMetrics::vmm_full_create_snapshot},
    {"vmm_diff_create_snapshot", &LatencyMetrics::vmm_diff_create_snapshot},
    {"vmm_load_snapshot", &LatencyMetrics::vmm_load_snapshot},
    {"vmm_pause_vm", &LatencyMetrics::vmm_pause_vm},
    {"vmm_resume_vm", &LatencyMetrics::vmm_resume_vm},
};
inline constexpr MetricField<LoggerMetrics> kLoggerMetricFields[] = {
    {"missed_metrics_count", &LoggerMetrics::missed_metrics_count},
    {"metrics_fails", &LoggerMetrics::metrics_fails},
    {"missed_log_count", [](const LoggerMetrics& /*metrics*/) { return lost_log_lines(); }},
    {"rate_limited_log_count",
     [](const LoggerMetrics& /*metrics*/) { return rate_limited_log_lines(); }},
};
template <int number>
uint64_t CountOf(const FatalSignalMetrics& /*metrics*/) {
  return fatal_signal_count(number).value();
}
inline constexpr MetricField<FatalSignalMetrics> kSeccompMetricFields[] = {
    {"num_faults", CountOf<SIGSYS>},
};
inline constexpr MetricField<FatalSignalMetrics> kSignalMetricFields[] = {
    {"sigbus", CountOf<SIGBUS>},   {"sigsegv", CountOf<SIGSEGV>}, {"sigxfsz", CountOf<SIGXFSZ>},
    {"sigxcpu", CountOf<SIGXCPU>}, {"sigpipe", CountOf<SIGPIPE>}, {"sighup", CountOf<SIGHUP>},
    {"sigill", CountOf<SIGILL>},
};
inline constexpr MetricField<FatalSignalMetrics> kVmmMetricFields[] = {
    {"panic_count", CountOf<SIGABRT>},  // checks of ours that failed
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_METRICS_CONTROL_METRICS_H_
