#include "virtio/console/console_state.h"

#include "snapshot/fields.h"

namespace ember::virtio {

void Describe(snapshot::Fields& fields, ConsoleSize& size) {
  fields.Add("columns", size.columns);
  fields.Add("rows", size.rows);
}

void Describe(snapshot::Fields& fields, ConsolePortState& port) {
  fields.AddEnum("phase", port.phase, ConsolePortPhase::kReady);
  fields.Add("guest_open", port.guest_open);
  fields.Add("host_open", port.host_open);
  fields.Add("marks", port.marks);
  fields.Add("size", port.size);
}

void Describe(snapshot::Fields& fields, ConsoleState& console) {
  fields.Add("device_ready", console.device_ready);
  fields.Add("ports", console.ports);
}

}  // namespace ember::virtio
