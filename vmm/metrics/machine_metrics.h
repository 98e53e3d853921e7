#ifndef EMBER_VMM_METRICS_MACHINE_METRICS_H_
#define EMBER_VMM_METRICS_MACHINE_METRICS_H_

#include <vector>

#include "base/metric_group.h"
#include "devices/i8042.h"
#include "devices/panic_report.h"
#include "devices/uart_metrics.h"
#include "kvm/interrupt_metrics.h"
#include "kvm/vcpu_metrics.h"
#include "virtio/balloon/metrics.h"
#include "virtio/block/metrics.h"
#include "virtio/console/metrics.h"
#include "virtio/mem/metrics.h"
#include "virtio/net/metrics.h"
#include "virtio/pmem/metrics.h"
#include "virtio/rng/metrics.h"
#include "virtio/transport_metrics.h"
#include "virtio/vhost_user/metrics.h"
#include "virtio/vsock/metrics.h"

namespace ember::vmm {

template <typename Metrics>
using MetricInstances = std::vector<MetricInstance<Metrics>>;

// Where the parts of a running machine count: borrowed from it. What it does not have is empty.
struct MachineMetrics {
  MetricInstances<virtio::BlockMetrics> drives;
  MetricInstances<virtio::vhost_user::BlockMetrics> socket_drives;
  MetricInstances<virtio::PmemMetrics> pmem;
  MetricInstances<virtio::NetMetrics> network_interfaces;
  MetricInstances<virtio::BalloonMetrics> balloon;
  MetricInstances<virtio::RngMetrics> entropy;
  MetricInstances<virtio::VsockMetrics> vsock;
  MetricInstances<virtio::MemMetrics> memory_hotplug;
  MetricInstances<virtio::ConsoleMetrics> console;
  MetricInstances<virtio::TransportMetrics> transports;
  MetricInstances<kvm::VcpuMetrics> vcpus;
  MetricInstances<kvm::InterruptMetrics> interrupts;
  MetricInstances<I8042::Metrics> keyboard;
  MetricInstances<UartMetrics> uart;
  MetricInstances<PanicReport::Metrics> panic_report;
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_METRICS_MACHINE_METRICS_H_
