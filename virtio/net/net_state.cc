#include "virtio/net/net_state.h"

#include "snapshot/fields.h"

namespace ember::virtio {

void Describe(snapshot::Fields& fields, NetState& net) {
  fields.Add("used_pairs", net.used_pairs);
  fields.Add("link_up", net.link_up);
}

}  // namespace ember::virtio
