#ifndef EMBER_VMM_VIRTIO_ATTACHMENT_H_
#define EMBER_VMM_VIRTIO_ATTACHMENT_H_

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/journal.h"
#include "base/result.h"
#include "base/thread.h"
#include "devices/bus.h"
#include "devices/interrupt_line.h"
#include "firmware/platform.h"
#include "kvm/vm.h"
#include "memory/guest_memory.h"
#include "virtio/mmio_transport.h"
#include "virtio/saved_device.h"
#include "virtio/virtio_device.h"
#include "vmm/thread_choice.h"
#include "vmm/vitals.h"

namespace ember::vmm {

// One virtio device plugged into the machine: the device, its interrupt line, its registers on the
// MMIO bus, and for each queue a doorbell that wakes the device's thread: the loop thread, or one
// that it has for itself. Made and destroyed on the loop thread while no vCPU runs; the bus must
// not be used after it is destroyed.
class VirtioAttachment {
 public:
  struct Site {
    kvm::Vm& vm;
    Bus& mmio;
    EventLoop& loop;
    Journal& journal;
    Vitals& vitals;
    const GuestMemory& memory;
    firmware::MmioDevice place;
    ThreadChoice thread = ThreadChoice::kVmm;
  };

  // Takes the device. All that `site` refers to must outlive the attachment.
  static Result<std::unique_ptr<VirtioAttachment>> Create(
      std::unique_ptr<virtio::VirtioDevice> device, const Site& site);

  VirtioAttachment(const VirtioAttachment&) = delete;
  VirtioAttachment& operator=(const VirtioAttachment&) = delete;
  ~VirtioAttachment();

  // Calls `task` while nobody else is in the device. The loop thread.
  template <typename Task>
  decltype(auto) WithDevice(Task&& task) {
    return transport_->state().WithDevice(std::forward<Task>(task));
  }
  const firmware::MmioDevice& place() const { return place_; }
  // For a snapshot: holds the device still, and says what its driver has set up, once at rest.
  virtio::DeviceHold Hold() { return virtio::DeviceHold(transport_->state()); }
  Result<virtio::SavedMmio> Save(virtio::DeviceHold& hold) const { return transport_->Save(hold); }
  // Once the machine's memory and interrupt controllers are restored, before any vCPU runs.
  Status Restore(const virtio::SavedMmio& saved) { return transport_->Restore(saved); }
  // What the driver did to the registers. Any thread.
  const virtio::TransportMetrics& metrics() const { return transport_->state().metrics(); }
  // Tells the driver that the device's configuration reads differently now. Any thread.
  void ConfigChanged() { transport_->state().ConfigChanged(); }

 private:
  explicit VirtioAttachment(const firmware::MmioDevice& place) : place_(place) {}
  // The device's own, once all is watched.
  Status StartThread();
  Status RingOn(const Site& site, EventLoop& loop, virtio::QueueIndex queue);
  Status WatchHostEvents(EventLoop& loop);

  const firmware::MmioDevice place_;
  // Each uses those before it.
  std::unique_ptr<virtio::VirtioDevice> device_;
  std::unique_ptr<InterruptLine> line_;
  std::shared_ptr<virtio::MmioTransport> transport_;  // shared with the bus
  std::unique_ptr<EventLoop> own_loop_;               // null where the device is on the VMM's
  std::vector<EventLoop::Watch> watches_;
  Thread own_thread_;  // runs own_loop_
  std::optional<Vitals::Entry> own_entry_;
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_VIRTIO_ATTACHMENT_H_
