#ifndef EMBER_VIRTIO_VSOCK_METRICS_H_
#define EMBER_VIRTIO_VSOCK_METRICS_H_

#include "base/counter.h"
#include "base/metric_field.h"

namespace ember::virtio {

// What a vsock device did, by the names under which clients read it; rx is towards the guest, tx
// from it. Written by the device, read by any thread.
struct VsockMetrics {
  Counter activate_fails;
  Counter cfg_fails;             // writes to the configuration space, all of it read-only
  Counter rx_queue_event_fails;  // breaches on the queue
  Counter tx_queue_event_fails;
  Counter ev_queue_event_fails;
  Counter
      muxer_event_fails;     // host clients dropped or not accepted, guest requests not carried out
  Counter conn_event_fails;  // connections whose guest broke the protocol
  Counter rx_queue_event_count;
  Counter tx_queue_event_count;
  Counter rx_bytes_count;
  Counter tx_bytes_count;
  Counter rx_packets_count;
  Counter tx_packets_count;
  Counter conns_added;
  Counter conns_killed;  // by a timeout, or for what the guest or the host did
  Counter conns_removed;
  Counter killq_resync;    // always 0: our list of timeouts has a place for each connection
  Counter tx_flush_fails;  // of buffered data
  Counter tx_write_fails;  // of data just sent by the guest
  Counter rx_read_fails;
};

inline constexpr MetricField<VsockMetrics> kVsockMetricFields[] = {
    {"activate_fails", &VsockMetrics::activate_fails},
    {"cfg_fails", &VsockMetrics::cfg_fails},
    {"rx_queue_event_fails", &VsockMetrics::rx_queue_event_fails},
    {"tx_queue_event_fails", &VsockMetrics::tx_queue_event_fails},
    {"ev_queue_event_fails", &VsockMetrics::ev_queue_event_fails},
    {"muxer_event_fails", &VsockMetrics::muxer_event_fails},
    {"conn_event_fails", &VsockMetrics::conn_event_fails},
    {"rx_queue_event_count", &VsockMetrics::rx_queue_event_count},
    {"tx_queue_event_count", &VsockMetrics::tx_queue_event_count},
    {"rx_bytes_count", &VsockMetrics::rx_bytes_count},
    {"tx_bytes_count", &VsockMetrics::tx_bytes_count},
    {"rx_packets_count", &VsockMetrics::rx_packets_count},
    {"tx_packets_count", &VsockMetrics::tx_packets_count},
    {"conns_added", &VsockMetrics::conns_added},
    {"conns_killed", &VsockMetrics::conns_killed},
    {"conns_removed", &VsockMetrics::conns_removed},
    {"killq_resync", &VsockMetrics::killq_resync},
    {"tx_flush_fails", &VsockMetrics::tx_flush_fails},
    {"tx_write_fails", &VsockMetrics::tx_write_fails},
    {"rx_read_fails", &VsockMetrics::rx_read_fails},
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_VSOCK_METRICS_H_
