#ifndef EMBER_KVM_VCPU_METRICS_H_
#define EMBER_KVM_VCPU_METRICS_H_

#include "base/counter.h"
#include "base/latency.h"
#include "base/metric_field.h"

namespace ember::kvm {

// What one vCPU's exits have been, by the names under which clients read it. Its thread adds, any
// thread reads.
struct VcpuMetrics {
  Counter exit_io_in;
  Counter exit_io_out;
  Counter exit_mmio_read;
  Counter exit_mmio_write;
  Counter failures;                 // exits that ended the vCPU
  Counter kvmclock_ctrl_fails;      // pauses that the guest's clock could not be told of
  LatencyAggregate exit_io_in_agg;  // from the exit's answer begun to its end
  LatencyAggregate exit_io_out_agg;
  LatencyAggregate exit_mmio_read_agg;
  LatencyAggregate exit_mmio_write_agg;
  Counter unclaimed_accesses;  // reads and writes that no device answered
};

inline constexpr MetricField<VcpuMetrics> kVcpuMetricFields[] = {
    {"exit_io_in", &VcpuMetrics::exit_io_in},
    {"exit_io_out", &VcpuMetrics::exit_io_out},
    {"exit_mmio_read", &VcpuMetrics::exit_mmio_read},
    {"exit_mmio_write", &VcpuMetrics::exit_mmio_write},
    {"failures", &VcpuMetrics::failures},
    {"kvmclock_ctrl_fails", &VcpuMetrics::kvmclock_ctrl_fails},
    {"exit_io_in_agg", &VcpuMetrics::exit_io_in_agg},
    {"exit_io_out_agg", &VcpuMetrics::exit_io_out_agg},
    {"exit_mmio_read_agg", &VcpuMetrics::exit_mmio_read_agg},
    {"exit_mmio_write_agg", &VcpuMetrics::exit_mmio_write_agg},
};
// Those that the contract has no key for.
inline constexpr MetricField<VcpuMetrics> kBusMetricFields[] = {
    {"unclaimed_accesses", &VcpuMetrics::unclaimed_accesses},
};

}  // namespace ember::kvm

#endif  // EMBER_KVM_VCPU_METRICS_H_
