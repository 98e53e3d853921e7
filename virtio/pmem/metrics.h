#ifndef EMBER_VIRTIO_PMEM_METRICS_H_
#define EMBER_VIRTIO_PMEM_METRICS_H_

#include "base/counter.h"
#include "base/metric_field.h"

namespace ember::virtio {

// What a persistent memory device did, by the names under which clients read it. Written by the
// device, read by any thread.
struct PmemMetrics {
  Counter activate_fails;
  Counter cfg_fails;          // writes to the configuration space, all of it read-only
  Counter event_fails;        // requests that are none, and flushes that the host failed
  Counter queue_event_count;  // notifications
  Counter rate_limiter_throttled_events;  // flushes that had to wait
  Counter rate_limiter_event_count;       // ends of such waits
};

inline constexpr MetricField<PmemMetrics> kPmemMetricFields[] = {
    {"activate_fails", &PmemMetrics::activate_fails},
    {"cfg_fails", &PmemMetrics::cfg_fails},
    {"event_fails", &PmemMetrics::event_fails},
    {"queue_event_count", &PmemMetrics::queue_event_count},
    {"rate_limiter_throttled_events", &PmemMetrics::rate_limiter_throttled_events},
    {"rate_limiter_event_count", &PmemMetrics::rate_limiter_event_count},
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_PMEM_METRICS_H_
