#ifndef EMBER_VMM_METRICS_WALK_H_
#define EMBER_VMM_METRICS_WALK_H_

#include "base/metric_group.h"
#include "mmds/metrics.h"
#include "vmm/metrics/control_metrics.h"
#include "vmm/metrics/machine_metrics.h"

namespace ember::vmm {

// All that this process counts. Borrowed.
struct MetricSources {
  const ControlMetrics& control;
  const mmds::MmdsMetrics& mmds;
  const MachineMetrics& machine;
};

// Shows the visitor every group there is, those of the contract first, each in the same place every
// time. Takes no memory and no lock. Any thread for which the sources hold still.
void VisitMetrics(const MetricSources& sources, MetricsVisitor& visitor);

}  // namespace ember::vmm

#endif  // EMBER_VMM_METRICS_WALK_H_
