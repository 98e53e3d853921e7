#ifndef EMBER_VIRTIO_MMIO_TRANSPORT_H_
#define EMBER_VIRTIO_MMIO_TRANSPORT_H_

#include <linux/virtio_mmio.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "devices/bus_device.h"
#include "devices/interrupt_line.h"
#include "memory/guest_memory.h"
#include "virtio/device_state.h"
#include "virtio/interrupt.h"
#include "virtio/saved_device.h"
#include "virtio/virtio_device.h"

namespace ember::virtio {

// A device on the MMIO bus, register layout version 2 (virtio 1.2, 4.2.2). Registers are accessed
// whole, 4 bytes at a multiple of 4: other accesses read 0, do nothing and are counted. The
// configuration space from offset 0x100 takes any access. There is no shared memory region and no
// queue reset. vCPU threads call Read() and Write(), several at once; interrupt status, interrupt
// acknowledgement and queue notification take no lock, all else may wait for the device's thread
// (see DeviceState).
//
// The machine gives state().notify_fd(q) to an ioeventfd at its base + kQueueNotifyOffset for a
// write of 4 bytes of value q, and has its device thread call state().ProcessQueue(q) when
// something arrives there.
class MmioTransport final : public BusDevice {
 public:
  static constexpr uint64_t kSizeBytes = 0x1000;
  static constexpr uint64_t kQueueNotifyOffset = VIRTIO_MMIO_QUEUE_NOTIFY;

  // Borrows all three for its life.
  static Result<std::shared_ptr<MmioTransport>> Create(VirtioDevice& device,
                                                       const GuestMemory& memory,
                                                       InterruptLine& line);

  DeviceState& state() { return *state_; }

  // For a snapshot; `hold` is of state(), and no vCPU runs.
  Result<SavedMmio> Save(DeviceHold& hold) const;
  // Before any driver, once the machine's interrupt controllers are restored.
  Status Restore(const SavedMmio& saved);

  std::string_view name() const override { return name_; }
  void Read(uint64_t offset, std::span<std::byte> out) override;
  void Write(uint64_t offset, std::span<const std::byte> in) override;

 private:
  MmioTransport(VirtioDevice& device, InterruptLine& line);

  uint32_t ReadRegister(uint64_t offset);
  void WriteRegister(uint64_t offset, uint32_t value);
  // Those that set up the selected queue. False where `offset` is none of them.
  bool WriteQueueRegister(uint64_t offset, uint32_t value);

  const std::string name_;
  LineInterrupt interrupt_;
  std::unique_ptr<DeviceState> state_;  // never null; uses interrupt_

  // Selectors: plain registers, in every state of the device. Relaxed: a driver that writes one on
  // one processor and uses it on another orders the two itself.
  std::atomic<uint32_t> device_features_word_{0};
  std::atomic<uint32_t> driver_features_word_{0};
  std::atomic<uint32_t> queue_{0};
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_MMIO_TRANSPORT_H_
