#ifndef EMBER_VIRTIO_PMEM_METRICS_H_
#define EMBER_VIRTIO_PMEM_METRICS_H_

#include "base/counter.h"

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

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_PMEM_METRICS_H_
