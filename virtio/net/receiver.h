#ifndef EMBER_VIRTIO_NET_RECEIVER_H_
#define EMBER_VIRTIO_NET_RECEIVER_H_

#include <sys/uio.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "virtio/descriptor_chain.h"
#include "virtio/net/net_header.h"
#include "virtio/net/traffic.h"
#include "virtio/queue.h"

namespace ember::virtio {

// One receive queue of a network device (virtio 1.2, 5.1.6.3 and 5.1.6.4): puts the back end's
// frames into the driver's buffers, which it takes ahead so that the host writes to them directly.
// With MRG_RXBUF a frame may fill several; what did not fit into those at hand is kept, one frame
// at most, until there are more. A frame that can never fit is counted and dropped, and the buffers
// serve the next one. Lives while the device is active. The device's thread, the device's mutex
// held.
class Receiver {
 public:
  Receiver(const Traffic& traffic, QueuePair pair, QueueIndex index, Queue queue);
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;
  ~Receiver();

  // Receives until there is a reason to rest.
  Rest Work();
  // After kThrottled: how long to wait.
  std::chrono::nanoseconds ThrottledFor() const;
  // Gives the driver back all chains, and keeps a frame that waits for room or for the limiter.
  void ComeToRest();

 private:
  // With MRG_RXBUF, the most chains that one frame may fill.
  static constexpr size_t kMaxHeld = 128;
  // Pieces that the host is given at once; the kernel takes 1024.
  static constexpr size_t kMaxPieces = 512;

  // A chain of the driver's, taken and not yet used.
  struct Held {
    explicit Held(QueueSize size) : storage(size) {}
    ChainStorage storage;
    std::optional<DescriptorChain> chain;
    Buffers room;
  };
  // A frame that the host gave.
  struct Frame {
    NetHeader header{};
    uint64_t bytes = 0;
    uint64_t in_place = 0;  // of these, those already in the held chains; the rest is in overflow_
    bool admitted = false;  // by the limiter
  };

  Rest Drain(int64_t& budget);
  // Takes chains until there is room for `bytes`, the header's included, or there are no more.
  std::optional<Breach> Hold(uint64_t bytes, int64_t& budget);
  // How much room to have before the host is asked for a frame.
  uint64_t RoomWanted() const;
  // Asks the host for a frame. Nothing where there is one now.
  std::optional<Rest> Receive();
  // Lays pieces_ out over the room at hand behind the header's place, and the overflow.
  void LayOut();
  // Gives the frame to the driver or drops it. Nothing where it is gone.
  std::optional<Rest> Deliver(int64_t& budget);
  // Whether the driver can make no more room than there is.
  bool RoomIsFinal() const;
  void Place();
  void Drop();
  // What of the frame is in the held chains counts as written.
  void MarkInPlaceDirty();
  // Takes the frame out of the held chains.
  void MoveToOverflow();
  void Publish();
  Rest Breached(Breach breach);

  Held& held(size_t i) { return *held_[(first_held_ + i) % held_.size()]; }

  const Traffic traffic_;
  const QueuePair pair_;
  const QueueIndex index_;
  Queue queue_;

  // A ring of all that can be held, made when first needed; held_count_ from first_held_ on are.
  std::vector<std::unique_ptr<Held>> held_;
  size_t first_held_ = 0;
  size_t held_count_ = 0;
  uint64_t held_bytes_ = 0;
  bool held_has_gap_ = false;  // a chain behind the first held one was completed before it

  std::vector<iovec> pieces_;    // for the host, after one for the back end
  uint64_t laid_out_bytes_ = 0;  // of the driver's memory
  const std::unique_ptr<std::byte[]> overflow_;
  std::optional<Frame> frame_;
  uint32_t small_frames_in_a_row_;
  size_t unpublished_ = 0;  // chains completed that the driver does not see yet
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_NET_RECEIVER_H_
