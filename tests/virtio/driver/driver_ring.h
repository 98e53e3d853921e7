#ifndef EMBER_TESTS_VIRTIO_DRIVER_DRIVER_RING_H_
#define EMBER_TESTS_VIRTIO_DRIVER_DRIVER_RING_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "memory/guest_address.h"
#include "memory/guest_memory.h"
#include "tests/virtio/driver/guest_ram.h"

namespace ember::virtio::testing {

// One buffer of a request.
struct Segment {
  GuestAddress at{};
  uint32_t len = 0;
  bool device_writes = false;
};

struct RawDescriptor {
  uint64_t addr = 0;
  uint32_t len = 0;
  uint16_t flags = 0;
  uint16_t next = 0;
};

struct UsedEntry {
  uint32_t id = 0;
  uint32_t len = 0;
};

inline constexpr uint16_t kNext = 1;
inline constexpr uint16_t kWrite = 2;
inline constexpr uint16_t kIndirect = 4;

struct RingPlace {
  uint16_t size = 0;
  GuestAddress descriptors{};
  GuestAddress available{};
  GuestAddress used{};
};

// The driver's end of a split virtqueue, written from the specification (virtio 1.2, 2.7) apart
// from the device's: Add…() and TakeUsed() behave, Set…() write what they are told. Its memory
// accesses are those of a guest with barriers in the right places. One thread.
class DriverRing {
 public:
  // Allocates the three parts.
  DriverRing(GuestRam& ram, uint16_t size, bool event_index = false);
  DriverRing(const GuestMemory& memory, const RingPlace& place, bool event_index = false);

  const RingPlace& place() const { return place_; }
  uint16_t size() const { return place_.size; }
  size_t free_descriptors() const { return free_.size(); }

  // Puts a request into the table and the available ring; returns its head. There must be room.
  uint16_t Add(std::span<const Segment> segments);
  uint16_t Add(std::initializer_list<Segment> segments) {
    return Add(std::span(segments.begin(), segments.size()));
  }
  // The same by way of a table at `table`, which has room for the segments.
  uint16_t AddIndirect(std::span<const Segment> segments, GuestAddress table);
  // Shows the device what was added. True where it wants to be notified.
  bool Publish();
  // Makes one head available without a look at what it is.
  void Offer(uint16_t head);

  // The next request that came back.
  std::optional<UsedEntry> TakeUsed();
  // With event_index: asks for an interrupt at the next used buffer.
  void RequestEvent() { SetUsedEvent(next_used_); }

  // Raw memory.
  void SetDescriptor(uint16_t index, const RawDescriptor& descriptor);
  void SetAvailableEntry(uint16_t slot, uint16_t head);
  void SetAvailableIndex(uint16_t index);
  void SetUsedIndex(uint16_t index);  // as a device would
  void SetAvailableFlags(uint16_t flags);
  void SetUsedEvent(uint16_t index);
  uint16_t available_index() const;
  uint16_t used_index() const;
  uint16_t used_flags() const;
  uint16_t available_event() const;
  UsedEntry used_entry(uint16_t slot) const;
  // Lets the driver's and the device's indices begin elsewhere than at 0.
  void StartAt(uint16_t index);

 private:
  std::byte* Host(GuestAddress at, uint64_t len) const;
  uint16_t Load(GuestAddress at) const;
  void Store(GuestAddress at, uint16_t value) const;

  const GuestMemory* memory_;
  RingPlace place_;
  bool event_index_;
  std::vector<uint16_t> free_;
  std::map<uint16_t, std::vector<uint16_t>> in_flight_;  // descriptors by head
  uint16_t next_available_ = 0;
  uint16_t published_ = 0;
  uint16_t next_used_ = 0;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_DRIVER_DRIVER_RING_H_
