#ifndef EMBER_VIRTIO_MEM_METRICS_H_
#define EMBER_VIRTIO_MEM_METRICS_H_

#include "base/counter.h"
#include "base/latency.h"
#include "base/metric_field.h"

namespace ember::virtio {

// What a memory device did, by the names under which clients read it. Written by the device, read
// by any thread. The latencies are from when a request is taken to when it is answered.
struct MemMetrics {
  Counter activate_fails;
  Counter queue_event_fails;  // malformed requests, and breaches
  Counter queue_event_count;  // wake-ups
  LatencyAggregate plug_agg;
  Counter plug_count;
  Counter plug_bytes;
  Counter plug_fails;  // not acknowledged
  LatencyAggregate unplug_agg;
  Counter unplug_count;
  Counter unplug_bytes;
  Counter unplug_fails;
  Counter unplug_discard_fails;  // pieces that the host would not take back
  LatencyAggregate unplug_all_agg;
  Counter unplug_all_count;
  Counter unplug_all_fails;
  LatencyAggregate state_agg;
  Counter state_count;
  Counter state_fails;
};

inline constexpr MetricField<MemMetrics> kMemMetricFields[] = {
    {"activate_fails", &MemMetrics::activate_fails},
    {"queue_event_fails", &MemMetrics::queue_event_fails},
    {"queue_event_count", &MemMetrics::queue_event_count},
    {"plug_agg", &MemMetrics::plug_agg},
    {"plug_count", &MemMetrics::plug_count},
    {"plug_bytes", &MemMetrics::plug_bytes},
    {"plug_fails", &MemMetrics::plug_fails},
    {"unplug_agg", &MemMetrics::unplug_agg},
    {"unplug_count", &MemMetrics::unplug_count},
    {"unplug_bytes", &MemMetrics::unplug_bytes},
    {"unplug_fails", &MemMetrics::unplug_fails},
    {"unplug_discard_fails", &MemMetrics::unplug_discard_fails},
    {"unplug_all_agg", &MemMetrics::unplug_all_agg},
    {"unplug_all_count", &MemMetrics::unplug_all_count},
    {"unplug_all_fails", &MemMetrics::unplug_all_fails},
    {"state_agg", &MemMetrics::state_agg},
    {"state_count", &MemMetrics::state_count},
    {"state_fails", &MemMetrics::state_fails},
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_MEM_METRICS_H_
