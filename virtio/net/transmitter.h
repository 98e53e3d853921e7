#ifndef EMBER_VIRTIO_NET_TRANSMITTER_H_
#define EMBER_VIRTIO_NET_TRANSMITTER_H_

#include <sys/uio.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <tl/expected.hpp>
#include <vector>

#include "base/mac_address.h"
#include "virtio/descriptor_chain.h"
#include "virtio/net/net_header.h"
#include "virtio/net/traffic.h"
#include "virtio/queue.h"

namespace ember::virtio {

// One transmit queue of a network device (virtio 1.2, 5.1.6.2): gives the driver's frames to the
// back end, in place and in order. A frame that is malformed or that the host refuses is counted
// and its buffers go back; one that must wait holds up those behind it. Lives while the device is
// active. The device's thread, the device's mutex held.
class Transmitter {
 public:
  // `address`, where given, is what frames should come from.
  Transmitter(const Traffic& traffic, QueuePair pair, QueueIndex index, Queue queue,
              std::optional<MacAddress> address);
  Transmitter(const Transmitter&) = delete;
  Transmitter& operator=(const Transmitter&) = delete;
  ~Transmitter();

  // Sends until there is a reason to rest.
  Rest Work();
  // After kThrottled: how long to wait.
  std::chrono::nanoseconds ThrottledFor() const;
  // Puts back a frame that waits.
  void ComeToRest();

 private:
  // A frame on its way.
  struct Pending {
    DescriptorChain chain;
    NetHeader header;
    Buffers frame;
    bool admitted = false;  // by the limiter
  };

  // Until the queue is empty, which is kNoBuffers, or another reason.
  Rest Drain(int64_t& budget);
  // The next frame becomes pending, if it is sound. False where there is none.
  tl::expected<bool, Breach> Take(int64_t& budget);
  // What the driver laid out; nothing where it is malformed.
  std::optional<NetHeader> Parse(Buffers& packet) const;
  // Sends the pending frame, or says why not.
  std::optional<Rest> SendPending();
  SendOutcome Send(const Pending& pending, std::chrono::nanoseconds now);
  void FinishPending();
  void CountSource(const Buffers& frame);
  void Complete(DescriptorChain chain);
  void Publish();

  const Traffic traffic_;
  const QueuePair pair_;
  const QueueIndex index_;
  const std::optional<MacAddress> address_;
  Queue queue_;
  ChainStorage storage_;
  std::vector<iovec> pieces_;  // of the frame being sent, after one for the back end
  std::optional<Pending> pending_;
  uint32_t unpublished_ = 0;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_NET_TRANSMITTER_H_
