#ifndef EMBER_VIRTIO_BALLOON_METRICS_H_
#define EMBER_VIRTIO_BALLOON_METRICS_H_

#include "base/counter.h"
#include "base/metric_field.h"

namespace ember::virtio {

// What a balloon did, by the names under which clients read it. Written by the device, read by any
// thread.
struct BalloonMetrics {
  Counter activate_fails;
  Counter inflate_count;           // requests
  Counter stats_updates_count;     // buffers of statistics
  Counter stats_update_fails;      // of those, ones not read whole
  Counter deflate_count;           // requests
  Counter event_fails;             // pages not in RAM, malformed requests, refusals of the host
  Counter free_page_report_count;  // ranges
  Counter free_page_report_freed;  // bytes
  Counter free_page_report_fails;  // ranges of which nothing was given to the host
  Counter free_page_hint_count;    // the same for hints of the run under way
  Counter free_page_hint_freed;
  Counter free_page_hint_fails;
};

inline constexpr MetricField<BalloonMetrics> kBalloonMetricFields[] = {
    {"activate_fails", &BalloonMetrics::activate_fails},
    {"inflate_count", &BalloonMetrics::inflate_count},
    {"stats_updates_count", &BalloonMetrics::stats_updates_count},
    {"stats_update_fails", &BalloonMetrics::stats_update_fails},
    {"deflate_count", &BalloonMetrics::deflate_count},
    {"event_fails", &BalloonMetrics::event_fails},
    {"free_page_report_count", &BalloonMetrics::free_page_report_count},
    {"free_page_report_freed", &BalloonMetrics::free_page_report_freed},
    {"free_page_report_fails", &BalloonMetrics::free_page_report_fails},
    {"free_page_hint_count", &BalloonMetrics::free_page_hint_count},
    {"free_page_hint_freed", &BalloonMetrics::free_page_hint_freed},
    {"free_page_hint_fails", &BalloonMetrics::free_page_hint_fails},
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BALLOON_METRICS_H_
