#ifndef EMBER_VMM_VIRTIO_ATTACHMENT_H_
#define EMBER_VMM_VIRTIO_ATTACHMENT_H_

#include <memory>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "devices/bus.h"
#include "devices/interrupt_line.h"
#include "firmware/platform.h"
#include "kvm/vm.h"
#include "memory/guest_memory.h"
#include "virtio/mmio_transport.h"
#include "virtio/virtio_device.h"

namespace ember::vmm {

// One virtio device plugged into the machine: the device, its interrupt line, its registers on the
// MMIO bus, and for each queue a doorbell that wakes the loop thread. Made and destroyed on the
// loop thread while no vCPU runs; the bus must not be used after it is destroyed.
class VirtioAttachment {
 public:
  struct Site {
    kvm::Vm& vm;
    Bus& mmio;
    EventLoop& loop;
    const GuestMemory& memory;
    firmware::MmioDevice place;
  };

  // Takes the device. All that `site` refers to must outlive the attachment.
  static Result<std::unique_ptr<VirtioAttachment>> Create(
      std::unique_ptr<virtio::VirtioDevice> device, const Site& site);

  VirtioAttachment(const VirtioAttachment&) = delete;
  VirtioAttachment& operator=(const VirtioAttachment&) = delete;

 private:
  VirtioAttachment() = default;
  Status RingOn(const Site& site, virtio::QueueIndex queue);

  // Each uses those before it.
  std::unique_ptr<virtio::VirtioDevice> device_;
  std::unique_ptr<InterruptLine> line_;
  std::shared_ptr<virtio::MmioTransport> transport_;  // shared with the bus
  std::vector<EventLoop::Watch> doorbells_;
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_VIRTIO_ATTACHMENT_H_
