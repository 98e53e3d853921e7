#ifndef EMBER_VIRTIO_BLOCK_METRICS_H_
#define EMBER_VIRTIO_BLOCK_METRICS_H_

#include "base/counter.h"
#include "base/latency.h"
#include "base/metric_field.h"

namespace ember::virtio {

// What a block device did, by the names under which clients read it. Written by the device, read by
// any thread.
struct BlockMetrics {
  Counter activate_fails;
  Counter cfg_fails;           // writes to the configuration space, all of it read-only
  Counter no_avail_buffer;     // notifications that found no request
  Counter event_fails;         // wake-ups for the host's sake that found nothing
  Counter execute_fails;       // requests the host could not carry out
  Counter invalid_reqs_count;  // requests that no disk could carry out
  Counter flush_count;
  Counter queue_event_count;
  Counter rate_limiter_event_count;  // times the limiter's wait was over
  Counter update_count;              // of the disk or the limiter, while plugged in
  Counter update_fails;
  Counter read_bytes;
  Counter write_bytes;
  Counter read_count;
  Counter write_count;
  LatencyAggregate read_agg;  // from the ring and back
  LatencyAggregate write_agg;
  Counter rate_limiter_throttled_events;  // requests that had to wait
  Counter io_engine_throttled_events;     // times the host took no more calls for now
  Counter remaining_reqs_count;           // wake-ups that ended at their limit with work left
};

inline constexpr MetricField<BlockMetrics> kBlockMetricFields[] = {
    {"activate_fails", &BlockMetrics::activate_fails},
    {"cfg_fails", &BlockMetrics::cfg_fails},
    {"no_avail_buffer", &BlockMetrics::no_avail_buffer},
    {"event_fails", &BlockMetrics::event_fails},
    {"execute_fails", &BlockMetrics::execute_fails},
    {"invalid_reqs_count", &BlockMetrics::invalid_reqs_count},
    {"flush_count", &BlockMetrics::flush_count},
    {"queue_event_count", &BlockMetrics::queue_event_count},
    {"rate_limiter_event_count", &BlockMetrics::rate_limiter_event_count},
    {"update_count", &BlockMetrics::update_count},
    {"update_fails", &BlockMetrics::update_fails},
    {"read_bytes", &BlockMetrics::read_bytes},
    {"write_bytes", &BlockMetrics::write_bytes},
    {"read_count", &BlockMetrics::read_count},
    {"write_count", &BlockMetrics::write_count},
    {"read_agg", &BlockMetrics::read_agg},
    {"write_agg", &BlockMetrics::write_agg},
    {"rate_limiter_throttled_events", &BlockMetrics::rate_limiter_throttled_events},
    {"io_engine_throttled_events", &BlockMetrics::io_engine_throttled_events},
    {"remaining_reqs_count", &BlockMetrics::remaining_reqs_count},
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_METRICS_H_
