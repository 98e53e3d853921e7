#ifndef EMBER_TESTS_VIRTIO_QUEUE_FIXTURE_H_
#define EMBER_TESTS_VIRTIO_QUEUE_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "tests/virtio/driver/driver_ring.h"
#include "tests/virtio/driver/guest_ram.h"
#include "virtio/queue.h"

namespace ember::virtio::testing {

inline QueueConfig ConfigOf(const RingPlace& place) {
  return {.size = QueueSize{place.size},
          .descriptors = place.descriptors,
          .available = place.available,
          .used = place.used,
          .ready = true};
}

inline constexpr Features kAllQueueFeatures{kIndirectDescriptorsFeature, kEventIndexFeature};

// A queue with a driver at its other end, without a transport.
class QueueUnderTest {
 public:
  explicit QueueUnderTest(uint16_t size, Features features = {}, bool track_dirty_pages = false,
                          uint16_t start = 0)
      : ram(track_dirty_pages),
        ring(ram, size, features.Has(kEventIndexFeature)),
        storage(QueueSize{size}),
        queue(*Queue::Create(
            ram.memory(), ConfigOf(ring.place()),
            {.features = features, .state = {.next_available = start, .next_used = start}})) {
    ring.StartAt(start);
  }

  Segment Readable(uint32_t len) { return {ram.Allocate(len), len, false}; }
  Segment Writable(uint32_t len) { return {ram.Allocate(len), len, true}; }

  // The breach that the next Pop() meets; nothing where it meets none. A chain is dropped.
  std::optional<Breach> PopBreach() {
    Queue::PopResult popped = queue.Pop(storage);
    if (!popped) return popped.error();
    if (*popped) std::move(**popped).Abandon();
    return std::nullopt;
  }
  // Pops a chain and completes it. Whether there was one.
  bool Serve(uint64_t written_bytes = 0) {
    Queue::PopResult popped = queue.Pop(storage);
    if (!popped || !*popped) return false;
    queue.Complete(std::move(**popped), written_bytes);
    return true;
  }
  // Puts down one descriptor and offers it; returns the breach of popping it.
  std::optional<Breach> PopBreachOf(const RawDescriptor& descriptor) {
    ring.SetDescriptor(0, descriptor);
    ring.Offer(0);
    ring.Publish();
    return PopBreach();
  }

  GuestRam ram;
  DriverRing ring;
  ChainStorage storage;
  Queue queue;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_QUEUE_FIXTURE_H_
