#ifndef EMBER_VIRTIO_CHAIN_WALKER_H_
#define EMBER_VIRTIO_CHAIN_WALKER_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "memory/guest_memory.h"
#include "virtio/breach.h"
#include "virtio/descriptor_chain.h"
#include "virtio/queue_layout.h"

namespace ember::virtio {

// Follows one chain through its descriptors, checks it and fills a storage with host pointers to
// its buffers (virtio 1.2, 2.7.5). Each descriptor is copied once and the copy judged, so a driver
// that changes it meanwhile gains nothing; at most queue-size descriptors are read. Descriptors of
// no bytes count but yield no buffer. Made anew for each chain, on the stack.
class ChainWalker {
 public:
  struct Options {
    uint16_t max_descriptors = 0;  // the queue's size
    bool indirect = false;         // whether kIndirectDescriptorsFeature was negotiated
    bool track_dirty = false;
  };

  ChainWalker(const GuestMemory& memory, Options options, ChainStorage& storage)
      : memory_(memory), options_(options), storage_(storage) {}

  // Fills the storage with the chain that begins at `head` of the queue's own table, which has
  // max_descriptors entries; `head` is one of them. On a breach the storage holds nothing of use.
  std::optional<Breach> Walk(const std::byte* table, uint16_t head);

 private:
  struct Table {
    const std::byte* entries;
    uint64_t count;

    Descriptor Copy(uint16_t index) const;
  };

  std::optional<Breach> EnterIndirect(const Descriptor& descriptor, Table& table);
  std::optional<Breach> Add(const Descriptor& descriptor);
  // One piece for each region that the buffer touches.
  std::optional<Breach> AddPieces(GuestAddress at, uint64_t len, bool writable);

  const GuestMemory& memory_;
  const Options options_;
  ChainStorage& storage_;
  bool in_indirect_ = false;
  bool has_writable_ = false;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_CHAIN_WALKER_H_
