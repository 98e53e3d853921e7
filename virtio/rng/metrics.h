#ifndef EMBER_VIRTIO_RNG_METRICS_H_
#define EMBER_VIRTIO_RNG_METRICS_H_

#include "base/counter.h"
#include "base/metric_field.h"

namespace ember::virtio {

// What an entropy device did, by the names under which clients read it. Written by the device, read
// by any thread.
struct RngMetrics {
  Counter activate_fails;
  Counter entropy_event_fails;  // requests given back empty, and breaches
  Counter entropy_event_count;  // notifications
  Counter entropy_bytes;
  Counter host_rng_fails;                  // requests the host could not serve
  Counter entropy_rate_limiter_throttled;  // requests that had to wait
  Counter rate_limiter_event_count;        // ends of such waits
};

inline constexpr MetricField<RngMetrics> kRngMetricFields[] = {
    {"activate_fails", &RngMetrics::activate_fails},
    {"entropy_event_fails", &RngMetrics::entropy_event_fails},
    {"entropy_event_count", &RngMetrics::entropy_event_count},
    {"entropy_bytes", &RngMetrics::entropy_bytes},
    {"host_rng_fails", &RngMetrics::host_rng_fails},
    {"entropy_rate_limiter_throttled", &RngMetrics::entropy_rate_limiter_throttled},
    {"rate_limiter_event_count", &RngMetrics::rate_limiter_event_count},
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_RNG_METRICS_H_
