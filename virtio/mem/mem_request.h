#ifndef EMBER_VIRTIO_MEM_MEM_REQUEST_H_
#define EMBER_VIRTIO_MEM_MEM_REQUEST_H_

#include <linux/virtio_mem.h>

#include <cstdint>
#include <optional>

#include "memory/guest_address.h"
#include "memory/pluggable_memory.h"
#include "virtio/buffers.h"

namespace ember::virtio {

// A request of a memory device's driver as it stands in a buffer (virtio 1.2, 5.15.6), copied once.
struct MemRequest {
  uint16_t type = 0;  // VIRTIO_MEM_REQ_…, or anything
  GuestAddress addr{};
  uint16_t block_count = 0;

  // Nothing where the buffer is shorter than a request. What is beyond is not read.
  static std::optional<MemRequest> Take(Buffers& buffers);

  // The blocks of the region it names, where they are one or more and lie within its first
  // `usable_bytes` (5.15.6.3); nothing for any other.
  std::optional<PluggableMemory::Blocks> BlocksWithin(const PluggableMemory& memory,
                                                      uint64_t usable_bytes) const;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_MEM_MEM_REQUEST_H_
