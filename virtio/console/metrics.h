#ifndef EMBER_VIRTIO_CONSOLE_METRICS_H_
#define EMBER_VIRTIO_CONSOLE_METRICS_H_

#include "base/counter.h"
#include "base/metric_field.h"

namespace ember::virtio {

// What a console device did, over all of its ports. Written by the device, read by any thread.
struct ConsoleMetrics {
  Counter activate_fails;
  Counter output_bytes;          // from the guest
  Counter input_bytes;           // to the guest
  Counter emergency_writes;      // bytes of the output that came by the configuration space
  Counter invalid_control;       // control messages that made no sense
  Counter resizes;               // sizes that clients gave
  Counter attached_clients;      // all that ever attached
  Counter refused_clients;       // because there were too many
  Counter lost_bytes;            // of output that a client was too slow for
  Counter disconnected_clients;  // that were too slow for a stream without holes
  Counter output_file_fails;     // writes to an output file that lost bytes
};

inline constexpr MetricField<ConsoleMetrics> kConsoleMetricFields[] = {
    {"activate_fails", &ConsoleMetrics::activate_fails},
    {"output_bytes", &ConsoleMetrics::output_bytes},
    {"input_bytes", &ConsoleMetrics::input_bytes},
    {"emergency_writes", &ConsoleMetrics::emergency_writes},
    {"invalid_control", &ConsoleMetrics::invalid_control},
    {"resizes", &ConsoleMetrics::resizes},
    {"attached_clients", &ConsoleMetrics::attached_clients},
    {"refused_clients", &ConsoleMetrics::refused_clients},
    {"lost_bytes", &ConsoleMetrics::lost_bytes},
    {"disconnected_clients", &ConsoleMetrics::disconnected_clients},
    {"output_file_fails", &ConsoleMetrics::output_file_fails},
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_CONSOLE_METRICS_H_
