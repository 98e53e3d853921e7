#include "virtio/mem/mem_state.h"

#include "snapshot/fields.h"

namespace ember::virtio {

void Describe(snapshot::Fields& fields, MemState& memory) {
  fields.Add("requested_bytes", memory.requested_bytes);
  fields.Add("usable_bytes", memory.usable_bytes);
  fields.Add("plugged", memory.plugged);
}

}  // namespace ember::virtio
