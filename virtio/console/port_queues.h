#ifndef EMBER_VIRTIO_CONSOLE_PORT_QUEUES_H_
#define EMBER_VIRTIO_CONSOLE_PORT_QUEUES_H_

#include <cstdint>
#include <optional>

#include "virtio/console/console_port.h"
#include "virtio/console/queue_work.h"
#include "virtio/descriptor_chain.h"
#include "virtio/driver_events.h"
#include "virtio/queue.h"

namespace ember::virtio {

// The guest's end of one port: its receive and transmit queues, either of which the driver may have
// left out. Lives as long as an activation. The device's thread.
class PortQueues {
 public:
  struct Options {
    QueueIndex receive_index;
    QueueIndex transmit_index;
    DriverEvents& driver;  // outlives the queues
    ConsolePort& port;     // too
  };

  PortQueues(const Options& options, std::optional<Queue> receive, std::optional<Queue> transmit);
  PortQueues(const PortQueues&) = delete;
  PortQueues& operator=(const PortQueues&) = delete;
  ~PortQueues();

  QueueIndex receive_index() const { return options_.receive_index; }
  QueueIndex transmit_index() const { return options_.transmit_index; }

  // The guest's output to the port: in pieces, each chain given back when all of it is there.
  OrBreach<Progress> Transmit();
  // The clients' input to the guest, as long as there is both input and room. Without room the port
  // is asked for no more, and the driver for a notification.
  OrBreach<Progress> Receive();
  // Takes a chain for input that may come later, if there is none yet and the driver has one. Its
  // breach shows at once that way, and not when the input comes.
  OrBreach<Drained> TakeRoom();
  // Passes on the rest of a chain of output that was begun, and puts back the room for input.
  void ComeToRest();

 private:
  // A chain of output, and what of it is still to come.
  struct Output {
    DescriptorChain chain;
    Buffers rest;
  };

  OrBreach<Drained> DrainTransmit(WorkBudget& budget);
  OrBreach<Drained> DrainReceive(WorkBudget& budget);
  // A piece of the output under way; gives the chain back after the last one.
  void PassOutput(WorkBudget& budget);

  const Options options_;
  std::optional<Queue> receive_;
  std::optional<Queue> transmit_;
  ChainStorage receive_storage_;
  ChainStorage transmit_storage_;
  std::optional<DescriptorChain> room_;  // for the next input
  std::optional<Output> output_;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_CONSOLE_PORT_QUEUES_H_
