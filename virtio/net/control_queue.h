#ifndef EMBER_VIRTIO_NET_CONTROL_QUEUE_H_
#define EMBER_VIRTIO_NET_CONTROL_QUEUE_H_

#include <cstdint>
#include <functional>
#include <optional>

#include "virtio/breach.h"
#include "virtio/descriptor_chain.h"
#include "virtio/driver_events.h"
#include "virtio/queue.h"
#include "virtio/virtio_device.h"

namespace ember::virtio {

// The queue by which a driver says how many pairs of queues it uses (virtio 1.2, 5.1.6.5). That is
// the one command it knows; all others are answered with an error. Lives while the device is
// active. The device's thread, the device's mutex held.
class ControlQueue {
 public:
  // Says whether so many pairs, any number, are in use now.
  using UsePairs = std::function<bool(uint16_t count)>;

  ControlQueue(Queue queue, QueueIndex index, DriverEvents& driver, UsePairs use_pairs);

  QueueIndex index() const { return index_; }

  enum class Outcome : uint8_t { kDone, kMore, kBreach };
  // Carries out a bounded number of commands. After kBreach NeedsReset() was said.
  Outcome Work();

 private:
  Outcome Drain(int& left);
  std::optional<Breach> CarryOut(DescriptorChain& chain);
  bool Accept(Buffers& command);

  const QueueIndex index_;
  DriverEvents& driver_;
  const UsePairs use_pairs_;
  Queue queue_;
  ChainStorage storage_;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_NET_CONTROL_QUEUE_H_
