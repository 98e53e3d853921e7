#ifndef EMBER_VIRTIO_CONSOLE_CONSOLE_STATE_H_
#define EMBER_VIRTIO_CONSOLE_CONSOLE_STATE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "virtio/console/console_size.h"

// What a console remembers beside its queues, for a snapshot: what it has said to the driver of its
// ports, and what it has still to say. Plain data.
namespace ember::snapshot {
class Fields;
}

namespace ember::virtio {

// How far the driver and the device have come about a port.
enum class ConsolePortPhase : uint8_t { kUnknown, kAdded, kReady };

struct ConsolePortState {
  ConsolePortPhase phase = ConsolePortPhase::kUnknown;
  bool guest_open = false;
  bool host_open = false;
  uint8_t marks = 0;  // Multiport's, of what is to be said
  std::optional<ConsoleSize> size;
};

struct ConsoleState {
  bool device_ready = false;
  std::vector<ConsolePortState> ports;
};

void Describe(snapshot::Fields& fields, ConsoleSize& size);
void Describe(snapshot::Fields& fields, ConsolePortState& port);
void Describe(snapshot::Fields& fields, ConsoleState& console);

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_CONSOLE_CONSOLE_STATE_H_
