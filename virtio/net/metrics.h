#ifndef EMBER_VIRTIO_NET_METRICS_H_
#define EMBER_VIRTIO_NET_METRICS_H_

#include "base/counter.h"
#include "base/latency.h"
#include "base/metric_field.h"

namespace ember::virtio {

// What a network device did, by the names under which clients read it. Written by the device, read
// by any thread. Bytes are those of frames, without headers of virtio's.
struct NetMetrics {
  Counter activate_fails;
  Counter cfg_fails;            // writes to the configuration space, all of it read-only
  Counter mac_address_updates;  // never: with VERSION_1 the address is read-only
  Counter no_rx_avail_buffer;   // times that reception stopped for want of buffers
  Counter no_tx_avail_buffer;   // notifications that found no frame
  Counter event_fails;          // waits on the host that could not be set up
  Counter rx_queue_event_count;
  Counter rx_event_rate_limiter_count;  // times the limiter's wait was over
  Counter rx_rate_limiter_throttled;    // times that a frame had to wait for it
  Counter rx_tap_event_count;
  Counter rx_bytes_count;
  Counter rx_packets_count;
  Counter rx_fails;  // frames lost: runts, too long, no room
  Counter rx_count;  // reads that brought a frame
  Counter tap_read_fails;
  Counter tap_write_fails;
  LatencyAggregate tap_write_agg;
  Counter tx_bytes_count;
  Counter tx_malformed_frames;
  Counter tx_fails;  // frames lost, but for malformed ones
  Counter tx_count;  // writes that took a frame
  Counter tx_packets_count;
  Counter tx_queue_event_count;
  Counter tx_rate_limiter_event_count;
  Counter tx_rate_limiter_throttled;
  Counter tx_spoofed_mac_count;     // frames sent from an address that is not the device's
  Counter tx_remaining_reqs_count;  // wake-ups that ended at their limit with work left
};

inline constexpr MetricField<NetMetrics> kNetMetricFields[] = {
    {"activate_fails", &NetMetrics::activate_fails},
    {"cfg_fails", &NetMetrics::cfg_fails},
    {"mac_address_updates", &NetMetrics::mac_address_updates},
    {"no_rx_avail_buffer", &NetMetrics::no_rx_avail_buffer},
    {"no_tx_avail_buffer", &NetMetrics::no_tx_avail_buffer},
    {"event_fails", &NetMetrics::event_fails},
    {"rx_queue_event_count", &NetMetrics::rx_queue_event_count},
    {"rx_event_rate_limiter_count", &NetMetrics::rx_event_rate_limiter_count},
    {"rx_rate_limiter_throttled", &NetMetrics::rx_rate_limiter_throttled},
    {"rx_tap_event_count", &NetMetrics::rx_tap_event_count},
    {"rx_bytes_count", &NetMetrics::rx_bytes_count},
    {"rx_packets_count", &NetMetrics::rx_packets_count},
    {"rx_fails", &NetMetrics::rx_fails},
    {"rx_count", &NetMetrics::rx_count},
    {"tap_read_fails", &NetMetrics::tap_read_fails},
    {"tap_write_fails", &NetMetrics::tap_write_fails},
    {"tap_write_agg", &NetMetrics::tap_write_agg},
    {"tx_bytes_count", &NetMetrics::tx_bytes_count},
    {"tx_malformed_frames", &NetMetrics::tx_malformed_frames},
    {"tx_fails", &NetMetrics::tx_fails},
    {"tx_count", &NetMetrics::tx_count},
    {"tx_packets_count", &NetMetrics::tx_packets_count},
    {"tx_queue_event_count", &NetMetrics::tx_queue_event_count},
    {"tx_rate_limiter_event_count", &NetMetrics::tx_rate_limiter_event_count},
    {"tx_rate_limiter_throttled", &NetMetrics::tx_rate_limiter_throttled},
    {"tx_spoofed_mac_count", &NetMetrics::tx_spoofed_mac_count},
    {"tx_remaining_reqs_count", &NetMetrics::tx_remaining_reqs_count},
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_NET_METRICS_H_
