#ifndef EMBER_VMM_METRICS_MMDS_METRIC_FIELDS_H_
#define EMBER_VMM_METRICS_MMDS_METRIC_FIELDS_H_

#include "base/metric_field.h"
#include "mmds/metrics.h"

namespace ember::vmm {

inline constexpr MetricField<mmds::MmdsMetrics> kMmdsMetricFields[] = {
    {"rx_accepted", &mmds::MmdsMetrics::rx_accepted},
    {"rx_accepted_err", &mmds::MmdsMetrics::rx_accepted_err},
    {"rx_accepted_unusual", &mmds::MmdsMetrics::rx_accepted_unusual},
    {"rx_bad_eth", &mmds::MmdsMetrics::rx_bad_eth},
    {"rx_invalid_token", &mmds::MmdsMetrics::rx_invalid_token},
    {"rx_no_token", &mmds::MmdsMetrics::rx_no_token},
    {"rx_count", &mmds::MmdsMetrics::rx_count},
    {"tx_bytes", &mmds::MmdsMetrics::tx_bytes},
    {"tx_count", &mmds::MmdsMetrics::tx_count},
    {"tx_errors", &mmds::MmdsMetrics::tx_errors},
    {"tx_frames", &mmds::MmdsMetrics::tx_frames},
    {"connections_created", &mmds::MmdsMetrics::connections_created},
    {"connections_destroyed", &mmds::MmdsMetrics::connections_destroyed},
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_METRICS_MMDS_METRIC_FIELDS_H_
