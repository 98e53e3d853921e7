#ifndef EMBER_VIRTIO_DESCRIPTOR_CHAIN_H_
#define EMBER_VIRTIO_DESCRIPTOR_CHAIN_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "base/check.h"
#include "memory/guest_memory.h"
#include "virtio/buffers.h"
#include "virtio/queue_types.h"

namespace ember::virtio {

// Room for the pieces of one chain, allocated once. A device keeps one for each chain it can have
// in flight. The device's thread.
class ChainStorage {
 public:
  // Pieces beyond one a descriptor, for buffers that cross from one region of RAM to the next.
  static constexpr size_t kSparePieces = 8;

  // For chains of a queue of `size`.
  explicit ChainStorage(QueueSize size)
      : capacity_(ToInteger(size) + kSparePieces),
        pieces_(std::make_unique_for_overwrite<iovec[]>(capacity_)),
        written_ranges_(std::make_unique<GuestRange[]>(capacity_)) {}

  size_t capacity() const { return capacity_; }

 private:
  friend class ChainWalker;
  friend class DescriptorChain;

  size_t capacity_;
  std::unique_ptr<iovec[]> pieces_;               // the readable ones, then the writable ones
  std::unique_ptr<GuestRange[]> written_ranges_;  // where the writable ones are in the guest
  size_t readable_count_ = 0;
  size_t writable_count_ = 0;
  size_t range_count_ = 0;  // 0 unless dirty pages are tracked
  uint64_t readable_bytes_ = 0;
  uint64_t writable_bytes_ = 0;
  bool in_use_ = false;
};

// One request of the driver's: buffers to read, then buffers to write, all checked to lie in RAM.
// Made by Queue::Pop() in a storage that it keeps until it is given back to Queue::Complete(), or
// dropped with Abandon() on reset: exactly one of the two, or the process aborts. Move-only. The
// device's thread.
class DescriptorChain {
 public:
  DescriptorChain(DescriptorChain&& other) noexcept
      : storage_(std::exchange(other.storage_, nullptr)), head_(other.head_) {}
  DescriptorChain& operator=(DescriptorChain&&) = delete;
  DescriptorChain(const DescriptorChain&) = delete;
  DescriptorChain& operator=(const DescriptorChain&) = delete;
  ~DescriptorChain() { EMBER_CHECK(storage_ == nullptr); }

  DescriptorIndex head() const { return head_; }
  uint64_t readable_bytes() const { return storage_->readable_bytes_; }
  uint64_t writable_bytes() const { return storage_->writable_bytes_; }
  // The bytes themselves, in place. Take each once: what a Buffers drops is gone from the storage.
  Buffers readable() const {
    return {{storage_->pieces_.get(), storage_->readable_count_}, readable_bytes()};
  }
  Buffers writable() const {
    return {{storage_->pieces_.get() + storage_->readable_count_, storage_->writable_count_},
            writable_bytes()};
  }

  // Marks bytes [offset, offset + len) of the writable buffers dirty. Only for what the device
  // wrote beyond the count it gives to Queue::Complete(), which marks that much itself.
  void MarkWritten(const GuestMemory& memory, uint64_t offset, uint64_t len) const;

  // Gives the storage back without telling the driver.
  void Abandon() && { Release(); }

 private:
  friend class Queue;

  DescriptorChain(ChainStorage& storage, DescriptorIndex head) : storage_(&storage), head_(head) {
    EMBER_CHECK(!storage.in_use_);
    storage.in_use_ = true;
  }
  void Release() { std::exchange(storage_, nullptr)->in_use_ = false; }

  ChainStorage* storage_;  // null once moved from, completed or abandoned
  DescriptorIndex head_;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_DESCRIPTOR_CHAIN_H_
