#ifndef EMBER_VIRTIO_INTERRUPT_H_
#define EMBER_VIRTIO_INTERRUPT_H_

#include <linux/virtio_mmio.h>

#include <atomic>
#include <cstdint>

#include "devices/interrupt_line.h"
#include "virtio/queue_types.h"

namespace ember::virtio {

// How a transport interrupts the driver: one line with a status register, or message-signalled
// vectors. Any thread; never blocks.
class Interrupt {
 public:
  virtual ~Interrupt() = default;
  // A used buffer notification (virtio 1.2, 2.3).
  virtual void NotifyUsedBuffers(QueueIndex queue) = 0;
  // A configuration change notification.
  virtual void NotifyConfigChange() = 0;
  // The device was reset: no notification is pending.
  virtual void Reset() = 0;
};

// One line shared by all causes, and the InterruptStatus register that tells them apart
// (virtio 1.2, 4.2.2). Any thread.
class LineInterrupt final : public Interrupt {
 public:
  // Borrows the line for its life.
  explicit LineInterrupt(InterruptLine& line) : line_(line) {}

  void NotifyUsedBuffers(QueueIndex /*queue*/) override { Raise(VIRTIO_MMIO_INT_VRING); }
  void NotifyConfigChange() override { Raise(VIRTIO_MMIO_INT_CONFIG); }

  void Reset() override { status_.store(0, std::memory_order_release); }

  // The causes not yet acknowledged.
  uint32_t status() const { return status_.load(std::memory_order_acquire); }
  // Makes the causes those of a snapshot. If there are any, once more: the line may have been
  // triggered and not delivered, and drivers bear an interrupt too many.
  void Restore(uint32_t causes) {
    status_.store(causes, std::memory_order_release);
    if (causes != 0) line_.Trigger();
  }
  void Acknowledge(uint32_t causes) { status_.fetch_and(~causes, std::memory_order_acq_rel); }

 private:
  // Release pairs with the acquire in status(): a driver that sees the cause sees what caused it.
  void Raise(uint32_t cause) {
    status_.fetch_or(cause, std::memory_order_release);
    line_.Trigger();
  }

  InterruptLine& line_;
  std::atomic<uint32_t> status_{0};
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_INTERRUPT_H_
