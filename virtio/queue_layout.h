#ifndef EMBER_VIRTIO_QUEUE_LAYOUT_H_
#define EMBER_VIRTIO_QUEUE_LAYOUT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "memory/guest_address.h"
#include "memory/guest_memory.h"
#include "virtio/queue_types.h"

// A split virtqueue as it lies in guest memory (virtio 1.2, 2.7).
namespace ember::virtio {

// Flags of a descriptor, of the used ring and of the available ring.
inline constexpr uint16_t kDescriptorNext = 1;
inline constexpr uint16_t kDescriptorWrite = 2;
inline constexpr uint16_t kDescriptorIndirect = 4;
inline constexpr uint16_t kUsedNoNotify = 1;
inline constexpr uint16_t kAvailableNoInterrupt = 1;

struct Descriptor {
  uint64_t addr;
  uint32_t len;
  uint16_t flags;  // kDescriptor…
  uint16_t next;
};
static_assert(sizeof(Descriptor) == 16);

struct UsedElement {
  uint32_t id;
  uint32_t len;
};
static_assert(sizeof(UsedElement) == 8);

// Both rings begin with u16 flags and u16 idx, then the entries, then the u16 with which the other
// side suppresses events (used_event, avail_event).
inline constexpr uint64_t kRingFlagsOffset = 0;
inline constexpr uint64_t kRingIndexOffset = 2;
inline constexpr uint64_t kRingEntriesOffset = 4;

constexpr uint64_t DescriptorTableBytes(QueueSize size) {
  return sizeof(Descriptor) * ToInteger(size);
}
constexpr uint64_t UsedEventOffset(QueueSize size) {
  return kRingEntriesOffset + sizeof(uint16_t) * ToInteger(size);
}
constexpr uint64_t AvailableRingBytes(QueueSize size) {
  return UsedEventOffset(size) + sizeof(uint16_t);
}
constexpr uint64_t AvailableEventOffset(QueueSize size) {
  return kRingEntriesOffset + sizeof(UsedElement) * ToInteger(size);
}
constexpr uint64_t UsedRingBytes(QueueSize size) {
  return AvailableEventOffset(size) + sizeof(uint16_t);
}

// A queue as the driver sets it up, unchecked. Address 0 and size 0 mean not set yet. A plain
// value.
struct QueueConfig {
  QueueSize size{};
  GuestAddress descriptors{};
  GuestAddress available{};
  GuestAddress used{};
  bool ready = false;
};

// The host bytes of the three parts; valid for the memory's life.
struct QueueRings {
  std::byte* descriptors = nullptr;
  std::byte* available = nullptr;
  std::byte* used = nullptr;
};

// Checks that the size is a power of two up to `max_size`, and that the parts are set, aligned to
// 16, 2 and 4 bytes, each inside one region of RAM, and clear of each other. Errors name the part.
Result<QueueRings> ResolveQueueRings(const QueueConfig& config, QueueSize max_size,
                                     const GuestMemory& memory);

// A 16-bit field that guest and device share, at a multiple of 2: every access is one load or
// store. The bytes are RAM mapped for the guest, where objects of this type exist by decree of the
// driver.
inline std::atomic_ref<uint16_t> SharedField(std::byte* at) {
  return std::atomic_ref<uint16_t>(*static_cast<uint16_t*>(static_cast<void*>(at)));
}

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_QUEUE_LAYOUT_H_
