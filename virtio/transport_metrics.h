#ifndef EMBER_VIRTIO_TRANSPORT_METRICS_H_
#define EMBER_VIRTIO_TRANSPORT_METRICS_H_

#include "base/counter.h"
#include "base/metric_field.h"

namespace ember::virtio {

// What the driver did wrong, and what became of the device.
struct TransportMetrics {
  Counter ignored_accesses;  // registers, widths, values and moments that mean nothing
  Counter breaches;          // DEVICE_NEEDS_RESET for a broken queue or request
  Counter device_failures;   // DEVICE_NEEDS_RESET for what is no driver's fault
  Counter activations;
  Counter activation_failures;  // DEVICE_NEEDS_RESET at DRIVER_OK
  Counter resets;
};

inline constexpr MetricField<TransportMetrics> kTransportMetricFields[] = {
    {"ignored_accesses", &TransportMetrics::ignored_accesses},
    {"breaches", &TransportMetrics::breaches},
    {"device_failures", &TransportMetrics::device_failures},
    {"activations", &TransportMetrics::activations},
    {"activation_failures", &TransportMetrics::activation_failures},
    {"resets", &TransportMetrics::resets},
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_TRANSPORT_METRICS_H_
