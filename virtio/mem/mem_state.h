#ifndef EMBER_VIRTIO_MEM_MEM_STATE_H_
#define EMBER_VIRTIO_MEM_MEM_STATE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

// What a memory device remembers beside its queue, for a snapshot. Plain data.
namespace ember::snapshot {
class Fields;
}

namespace ember::virtio {

struct MemState {
  uint64_t requested_bytes = 0;
  uint64_t usable_bytes = 0;
  std::vector<std::byte> plugged;  // one bit a block, that of the first one lowest
};

void Describe(snapshot::Fields& fields, MemState& memory);

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_MEM_MEM_STATE_H_
