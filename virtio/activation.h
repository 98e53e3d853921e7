#ifndef EMBER_VIRTIO_ACTIVATION_H_
#define EMBER_VIRTIO_ACTIVATION_H_

#include <optional>
#include <span>
#include <vector>

#include "base/fd.h"
#include "memory/guest_memory.h"
#include "virtio/driver_events.h"
#include "virtio/features.h"
#include "virtio/queue.h"

namespace ember::virtio {

// What a device gets when its driver is ready (DRIVER_OK), its own until VirtioDevice::Reset().
// Move-only.
struct Activation {
  const GuestMemory& memory;  // outlives the device
  DriverEvents& driver;       // outlives the activation
  Features features;          // as negotiated, a subset of those offered
  // One for each of VirtioDevice::max_queue_sizes(); empty where the driver did not set it up.
  std::vector<std::optional<Queue>> queues;
  // Readable when the driver has notified the queue; for VirtioDevice::serves_queues_elsewhere().
  std::span<const Fd> notify_fds;  // outlive the device
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_ACTIVATION_H_
