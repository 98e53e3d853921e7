#ifndef EMBER_KVM_INTERRUPT_METRICS_H_
#define EMBER_KVM_INTERRUPT_METRICS_H_

#include "base/counter.h"
#include "base/metric_field.h"

namespace ember::kvm {

// A machine's interrupts, by the names under which clients read them. Written by any thread, read
// by any.
struct InterruptMetrics {
  Counter triggers;
  Counter config_updates;  // lines connected
};

inline constexpr MetricField<InterruptMetrics> kInterruptMetricFields[] = {
    {"triggers", &InterruptMetrics::triggers},
    {"config_updates", &InterruptMetrics::config_updates},
};

}  // namespace ember::kvm

#endif  // EMBER_KVM_INTERRUPT_METRICS_H_
