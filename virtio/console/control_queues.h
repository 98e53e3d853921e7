#ifndef EMBER_VIRTIO_CONSOLE_CONTROL_QUEUES_H_
#define EMBER_VIRTIO_CONSOLE_CONTROL_QUEUES_H_

#include <optional>

#include "virtio/console/metrics.h"
#include "virtio/console/multiport.h"
#include "virtio/console/queue_work.h"
#include "virtio/descriptor_chain.h"
#include "virtio/driver_events.h"
#include "virtio/queue.h"

namespace ember::virtio {

// The two control queues (virtio 1.2, 5.3.6.2), by which Multiport and the driver talk. Either may
// be absent. Lives as long as an activation. The device's thread.
class ControlQueues {
 public:
  static constexpr QueueIndex kReceive{2};   // to the driver
  static constexpr QueueIndex kTransmit{3};  // from the driver

  // All that is borrowed outlives the queues.
  ControlQueues(std::optional<Queue> receive, std::optional<Queue> transmit, DriverEvents& driver,
                Multiport& multiport, ConsoleMetrics& metrics);

  ControlQueues(const ControlQueues&) = delete;
  ControlQueues& operator=(const ControlQueues&) = delete;
  ~ControlQueues();

  // Takes what the driver says. A message that is no control structure is a breach; one that makes
  // no sense is counted.
  OrBreach<Progress> Listen();
  // Says what there is to say, as far as the driver has buffers. One too small for the message
  // comes back empty.
  OrBreach<Progress> Speak();
  // Puts back what it has of the driver's.
  void ComeToRest();

 private:
  OrBreach<Drained> DrainTransmit(WorkBudget& budget);
  OrBreach<Drained> DrainReceive(WorkBudget& budget);

  std::optional<Queue> receive_;
  std::optional<Queue> transmit_;
  DriverEvents& driver_;
  Multiport& multiport_;
  ConsoleMetrics& metrics_;
  ChainStorage transmit_storage_;  // not in use from one call to the next
  ChainStorage receive_storage_;
  std::optional<DescriptorChain> room_;  // for the next message
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_CONSOLE_CONTROL_QUEUES_H_
