#ifndef EMBER_VIRTIO_VHOST_USER_METRICS_H_
#define EMBER_VIRTIO_VHOST_USER_METRICS_H_

#include "base/counter.h"
#include "base/gauge.h"
#include "base/metric_field.h"

namespace ember::virtio::vhost_user {

// What a vhost-user block device did, by the names under which clients read it. Written by the
// device, read by any thread.
struct BlockMetrics {
  Counter activate_fails;
  Counter cfg_fails;   // writes to the configuration space, and questions for it without an answer
  Gauge init_time_us;  // of the last time it was done
  Gauge activate_time_us;
  Gauge config_change_time_us;
};

inline constexpr MetricField<BlockMetrics> kBlockMetricFields[] = {
    {"activate_fails", &BlockMetrics::activate_fails},
    {"cfg_fails", &BlockMetrics::cfg_fails},
    {"init_time_us", &BlockMetrics::init_time_us},
    {"activate_time_us", &BlockMetrics::activate_time_us},
    {"config_change_time_us", &BlockMetrics::config_change_time_us},
};

}  // namespace ember::virtio::vhost_user

#endif  // EMBER_VIRTIO_VHOST_USER_METRICS_H_
