#ifndef EMBER_VIRTIO_BLOCK_METRICS_H_
#define EMBER_VIRTIO_BLOCK_METRICS_H_

#include "base/counter.h"

namespace ember::virtio {

// What a block device did, by the names under which clients read it. Written by the device, read by
// any thread.
struct BlockMetrics {
  Counter activate_fails;
  Counter cfg_fails;           // writes to the configuration space, all of it read-only
  Counter no_avail_buffer;     // notifications that found no request
  Counter execute_fails;       // requests the host could not carry out
  Counter invalid_reqs_count;  // requests that no disk could carry out
  Counter flush_count;
  Counter queue_event_count;
  Counter read_bytes;
  Counter write_bytes;
  Counter read_count;
  Counter write_count;
  Counter remaining_reqs_count;  // wake-ups that ended at their limit with work left
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_METRICS_H_
