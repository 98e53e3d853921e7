#ifndef EMBER_VIRTIO_DRIVER_EVENTS_H_
#define EMBER_VIRTIO_DRIVER_EVENTS_H_

#include "virtio/breach.h"
#include "virtio/queue_types.h"

namespace ember::virtio {

// What a device tells its driver, whatever the transport. Any thread; never blocks.
class DriverEvents {
 public:
  virtual ~DriverEvents() = default;
  // There are used buffers the driver wants to hear of: Queue::Publish() returned true.
  virtual void UsedBuffers(QueueIndex queue) = 0;
  // The configuration space reads differently now: a new generation, and a notification to a driver
  // that is up.
  virtual void ConfigChanged() = 0;
  // The driver broke the rules: DEVICE_NEEDS_RESET, counted and logged. No queue is worked on until
  // the driver resets the device.
  virtual void NeedsReset(QueueIndex queue, Breach breach) = 0;
  // The device cannot go on, by no fault of the driver's: DEVICE_NEEDS_RESET, as above. The device
  // says why in the log.
  virtual void DeviceFailed() = 0;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_DRIVER_EVENTS_H_
