#ifndef EMBER_VIRTIO_CONSOLE_QUEUE_WORK_H_
#define EMBER_VIRTIO_CONSOLE_QUEUE_WORK_H_

#include <cstdint>
#include <tl/expected.hpp>

#include "virtio/breach.h"
#include "virtio/driver_events.h"
#include "virtio/queue.h"
#include "virtio/virtio_device.h"

namespace ember::virtio {

// What a wake-up may still cost: bytes moved, and kChainCost for each chain.
struct WorkBudget {
  static constexpr int64_t kWakeUpBytes = int64_t{256} << 10;
  static constexpr int64_t kChainCost = 512;

  int64_t left = kWakeUpBytes;
};

// kEmpty: the queue has no more chains. kIdle: there is nothing to do with them.
enum class Drained : uint8_t { kEmpty, kIdle, kAtLimit };
template <typename T>
using OrBreach = tl::expected<T, Breach>;

// Has `drain`, a function that returns OrBreach<Drained>, work on the queue: the driver is asked
// for notifications only where the queue was emptied, and interrupted once. The device's thread.
template <typename Drain>
OrBreach<Progress> WorkOn(Queue& queue, QueueIndex index, DriverEvents& driver, WorkBudget& budget,
                          Drain drain) {
  for (;;) {
    queue.DisableNotifications();
    const OrBreach<Drained> drained = drain();
    if (queue.Publish()) driver.UsedBuffers(index);
    if (!drained) return tl::unexpected(drained.error());
    if (*drained == Drained::kAtLimit) return Progress::kMore;
    if (*drained == Drained::kIdle || !queue.EnableNotifications()) return Progress::kDone;
    // The index moved and may move back: that must not go on for ever.
    budget.left -= WorkBudget::kChainCost;
  }
}

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_CONSOLE_QUEUE_WORK_H_
