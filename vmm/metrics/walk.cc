#include "vmm/metrics/walk.h"

#include "vmm/metrics/mmds_metric_fields.h"

namespace ember::vmm {
namespace {

using enum MetricSections;

class Walk {
 public:
  explicit Walk(MetricsVisitor& visitor) : visitor_(visitor) {}

  // The one thing of its kind.
  template <typename Metrics, size_t n>
  void One(std::string_view family, const MetricField<Metrics> (&fields)[n],
           const Metrics& metrics) const {
    const MetricInstance<Metrics> instance{.id = {}, .metrics = &metrics};
    visitor_.Visit(StructMetricGroup<Metrics>({.family = family}, fields, {&instance, 1}));
  }
  template <typename Metrics, size_t n>
  void All(const MetricGroup::Description& description, const MetricField<Metrics> (&fields)[n],
           const MetricInstances<Metrics>& instances) const {
    visitor_.Visit(StructMetricGroup<Metrics>(description, fields, instances));
  }

 private:
  MetricsVisitor& visitor_;
};

void VisitDevices(const MachineMetrics& machine, const Walk& walk) {
  walk.All({.family = "balloon"}, virtio::kBalloonMetricFields, machine.balloon);
  walk.All({.family = "block", .sections = kTogetherAndEach}, virtio::kBlockMetricFields,
           machine.drives);
  walk.All({.family = "vhost_user_block", .sections = kEach},
           virtio::vhost_user::kBlockMetricFields, machine.socket_drives);
  walk.All({.family = "net", .sections = kTogetherAndEach}, virtio::kNetMetricFields,
           machine.network_interfaces);
  walk.All({.family = "pmem", .sections = kTogetherAndEach}, virtio::kPmemMetricFields,
           machine.pmem);
  walk.All({.family = "vsock"}, virtio::kVsockMetricFields, machine.vsock);
  walk.All({.family = "entropy"}, virtio::kRngMetricFields, machine.entropy);
  walk.All({.family = "memory_hotplug"}, virtio::kMemMetricFields, machine.memory_hotplug);
}

void VisitBoard(const MachineMetrics& machine, const Walk& walk) {
  walk.All({.family = "vcpu"}, kvm::kVcpuMetricFields, machine.vcpus);
  walk.All({.family = "interrupts"}, kvm::kInterruptMetricFields, machine.interrupts);
  walk.All({.family = "i8042"}, kI8042MetricFields, machine.keyboard);
  walk.All({.family = "uart"}, kUartMetricFields, machine.uart);
}

void VisitProcess(const ControlMetrics& control, const Walk& walk) {
  walk.One("api_server", kApiServerMetricFields, control.api_server);
  walk.One("get_api_requests", kGetRequestMetricFields, control.get_requests);
  walk.One("put_api_requests", kPutRequestMetricFields, control.put_requests);
  walk.One("patch_api_requests", kPatchRequestMetricFields, control.patch_requests);
  walk.One("deprecated_api", kDeprecatedApiMetricFields, control.deprecated_api);
  walk.One("latencies_us", kLatencyMetricFields, control.latencies);
  walk.One("logger", kLoggerMetricFields, control.logger);
  walk.One("seccomp", kSeccompMetricFields, control.fatal_signals);
  walk.One("signals", kSignalMetricFields, control.fatal_signals);
  walk.One("vmm", kVmmMetricFields, control.fatal_signals);
}

void VisitOurs(const MachineMetrics& machine, const Walk& walk) {
  constexpr auto kEmber = MetricOwner::kEmber;
  walk.All({.family = "console", .owner = kEmber}, virtio::kConsoleMetricFields, machine.console);
  walk.All({.family = "virtio", .sections = kTogetherAndEach, .owner = kEmber},
           virtio::kTransportMetricFields, machine.transports);
  walk.All({.family = "bus", .owner = kEmber}, kvm::kBusMetricFields, machine.vcpus);
  walk.All({.family = "keyboard", .owner = kEmber}, kKeyboardMetricFields, machine.keyboard);
  walk.All({.family = "panic_report", .owner = kEmber}, kPanicReportMetricFields,
           machine.panic_report);
}

}  // namespace

void VisitMetrics(const MetricSources& sources, MetricsVisitor& visitor) {
  const Walk walk(visitor);
  VisitProcess(sources.control, walk);
  walk.One("mmds", kMmdsMetricFields, sources.mmds);
  VisitBoard(sources.machine, walk);
  VisitDevices(sources.machine, walk);
  VisitOurs(sources.machine, walk);
}

}  // namespace ember::vmm
