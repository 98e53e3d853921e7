#ifndef EMBER_VIRTIO_NET_NET_STATE_H_
#define EMBER_VIRTIO_NET_NET_STATE_H_

#include <cstdint>

// What a network device remembers beside its queues, for a snapshot. Plain data.
namespace ember::snapshot {
class Fields;
}

namespace ember::virtio {

struct NetState {
  uint16_t used_pairs = 1;
  bool link_up = true;  // as the driver was told
};

void Describe(snapshot::Fields& fields, NetState& net);

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_NET_NET_STATE_H_
