#ifndef EMBER_VIRTIO_VHOST_USER_METRICS_H_
#define EMBER_VIRTIO_VHOST_USER_METRICS_H_

#include "base/counter.h"

namespace ember::virtio::vhost_user {

// What a vhost-user block device did, by the names under which clients read it. Written by the
// device, read by any thread.
struct BlockMetrics {
  Counter activate_fails;
  Counter cfg_fails;  // writes to the configuration space, and questions for it without an answer
  Counter init_time_us;
  Counter activate_time_us;
  Counter config_change_time_us;
};

}  // namespace ember::virtio::vhost_user

#endif  // EMBER_VIRTIO_VHOST_USER_METRICS_H_
