#ifndef EMBER_VIRTIO_QUEUE_TYPES_H_
#define EMBER_VIRTIO_QUEUE_TYPES_H_

#include <cstdint>

namespace ember::virtio {

// Which of a device's queues.
enum class QueueIndex : uint16_t {};
// How many descriptors a queue has: a power of two up to kMaxQueueSize once it is in use.
enum class QueueSize : uint16_t {};
// Which descriptor of a table.
enum class DescriptorIndex : uint16_t {};

inline constexpr QueueSize kMaxQueueSize{32768};  // virtio 1.2, 2.7

constexpr uint16_t ToInteger(QueueIndex index) { return static_cast<uint16_t>(index); }
constexpr uint16_t ToInteger(QueueSize size) { return static_cast<uint16_t>(size); }
constexpr uint16_t ToInteger(DescriptorIndex index) { return static_cast<uint16_t>(index); }

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_QUEUE_TYPES_H_
