#ifndef EMBER_TESTS_VIRTIO_DRIVER_RIG_H_
#define EMBER_TESTS_VIRTIO_DRIVER_RIG_H_

#include <memory>
#include <utility>

#include "base/fd.h"
#include "base/thread.h"
#include "tests/virtio/driver/fake_interrupt_line.h"
#include "tests/virtio/driver/guest_ram.h"
#include "tests/virtio/driver/mmio_driver.h"
#include "virtio/mmio_transport.h"
#include "virtio/saved_device.h"
#include "virtio/virtio_device.h"

namespace ember::virtio::testing {

// A device in a machine without KVM: memory, an interrupt line, the MMIO transport, and a driver in
// front of it. The device works when Pump() is called, or on a DeviceThread.
class Rig {
 public:
  explicit Rig(VirtioDevice& device, bool track_dirty_pages = false)
      : Rig(device, GuestMemory::Options{.track_dirty_pages = track_dirty_pages}) {}
  Rig(VirtioDevice& device, const GuestMemory::Options& memory) : Rig(device, GuestRam(memory)) {}
  // With memory that the device was made with.
  Rig(VirtioDevice& device, GuestRam guest_ram)
      : ram(std::move(guest_ram)),
        transport(*MmioTransport::Create(device, ram.memory(), line)),
        driver(*transport) {}

  // Lets the device work on the queues that were notified and on what the host has for it, until
  // there is neither. The number of wake-ups.
  int Pump();
  // The same, but at most one wake-up for each queue and one for the host. Whether there was any.
  bool PumpOnce();

  DeviceState& state() { return transport->state(); }
  // Brings the device to rest, and lets it go on. It must be able to.
  SavedMmio Save();

  GuestRam ram;
  FakeInterruptLine line;
  std::shared_ptr<MmioTransport> transport;
  MmioDriver driver;
};

// Does for a device what the event loop does, on a thread of its own, for as long as it lives.
class DeviceThread {
 public:
  explicit DeviceThread(DeviceState& state);
  ~DeviceThread();
  DeviceThread(const DeviceThread&) = delete;
  DeviceThread& operator=(const DeviceThread&) = delete;

 private:
  void Work();

  DeviceState& state_;
  Fd stop_;
  Thread thread_;  // last: uses the rest
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_DRIVER_RIG_H_
