#ifndef EMBER_VIRTIO_QUEUE_H_
#define EMBER_VIRTIO_QUEUE_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <tl/expected.hpp>

#include "base/result.h"
#include "memory/guest_memory.h"
#include "virtio/breach.h"
#include "virtio/descriptor_chain.h"
#include "virtio/features.h"
#include "virtio/queue_layout.h"
#include "virtio/queue_types.h"

namespace ember::virtio {

// The device's end of a split virtqueue (virtio 1.2, 2.7): takes chains the driver made available
// and gives them back used, with indirect tables and event suppression where negotiated. Whatever
// the driver writes to the rings, calls return in time bounded by the queue's size and touch no
// host memory but the rings and buffers inside RAM. The device's thread, the device's mutex held;
// the guest's processors work on the rings at the same time.
//
//   do {
//     queue.DisableNotifications();
//     while (auto chain = Take(queue.Pop(storage))) { …; queue.Complete(std::move(*chain),
//     written); } if (queue.Publish()) driver.UsedBuffers(index);
//   } while (queue.EnableNotifications());
class Queue {
 public:
  // Both free-running; what a snapshot keeps.
  struct State {
    uint16_t next_available = 0;
    uint16_t next_used = 0;
  };

  struct Options {
    QueueSize max_size = kMaxQueueSize;
    Features features;  // as negotiated
    State state;        // where to go on
  };

  // Checks the configuration (ResolveQueueRings) and the state, which must not have more chains in
  // flight than descriptors. Borrows the memory for its life.
  static Result<Queue> Create(const GuestMemory& memory, const QueueConfig& config,
                              const Options& options);

  Queue(Queue&&) = default;
  Queue& operator=(Queue&&) = delete;

  QueueSize size() const { return config_.size; }
  // Where the queue is, checked: for who works on it in place of this.
  const QueueConfig& config() const { return config_; }
  const QueueRings& rings() const { return rings_; }
  // Chains popped and not completed.
  uint16_t in_flight() const { return static_cast<uint16_t>(next_available_ - next_used_); }
  // With no chain in flight, what to restore with.
  State state() const { return {next_available_, next_used_}; }

  // The next chain the driver made available, its pieces in `storage`, which must be free; nothing
  // where there is none. After a breach no chain is consumed, and the next call finds it again.
  using PopResult = tl::expected<std::optional<DescriptorChain>, Breach>;
  PopResult Pop(ChainStorage& storage);

  // Undoes the last Pop(), whose chain this is: the next one finds it again. Nothing of it was
  // used.
  void PutBack(DescriptorChain chain);

  // Puts a chain of this queue into the used ring, in any order, and marks the first
  // `written_bytes` of its writable buffers dirty. The driver sees it after Publish().
  void Complete(DescriptorChain chain, uint64_t written_bytes);
  // Shows the driver all that is complete. True where it wants an interrupt for that.
  [[nodiscard]] bool Publish();

  // Asks the driver to send no notification of new buffers. A hint; it may send them all the same.
  void DisableNotifications();
  // Asks for one with the next buffer. True where buffers came in the meantime, for which there may
  // be none: go on working.
  [[nodiscard]] bool EnableNotifications();

 private:
  Queue(const GuestMemory& memory, const QueueConfig& config, const QueueRings& rings,
        const Options& options);

  std::optional<Breach> RefreshAvailableIndex();
  std::atomic_ref<uint16_t> available_field(uint64_t offset) const {
    return SharedField(rings_.available + offset);
  }
  std::atomic_ref<uint16_t> used_field(uint64_t offset) const {
    return SharedField(rings_.used + offset);
  }
  void MarkUsedRingDirty() const;

  const GuestMemory* memory_;
  QueueConfig config_;
  QueueRings rings_;
  bool indirect_;
  bool event_index_;
  bool track_dirty_;

  uint16_t available_index_;  // the driver's, as last read
  uint16_t next_available_;   // the next entry of the available ring to take
  uint16_t next_used_;        // the next entry of the used ring to fill
  uint16_t published_used_;   // the used index that the driver sees
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_QUEUE_H_
