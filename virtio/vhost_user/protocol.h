#ifndef EMBER_VIRTIO_VHOST_USER_PROTOCOL_H_
#define EMBER_VIRTIO_VHOST_USER_PROTOCOL_H_

#include <cstddef>
#include <cstdint>

// The messages of vhost-user (the "Vhost-user Protocol" page of QEMU's interoperability manual), of
// which the kernel has no header. The numbers are the host's; both ends run on one machine.
namespace ember::virtio::vhost_user {

enum class Request : uint32_t {
  kGetFeatures = 1,
  kSetFeatures = 2,
  kSetOwner = 3,
  kSetMemTable = 5,
  kSetVringNum = 8,
  kSetVringAddr = 9,
  kSetVringBase = 10,
  kGetVringBase = 11,
  kSetVringKick = 12,
  kSetVringCall = 13,
  kGetProtocolFeatures = 15,
  kSetProtocolFeatures = 16,
  kGetQueueNum = 17,
  kSetVringEnable = 18,
  kGetConfig = 24,
};

// Bit of the virtio features that says that the protocol has features of its own.
inline constexpr unsigned kProtocolFeaturesFeature = 30;

// Bits of the protocol's features.
inline constexpr uint64_t kProtocolMq = uint64_t{1} << 0;
inline constexpr uint64_t kProtocolReplyAck = uint64_t{1} << 3;
inline constexpr uint64_t kProtocolConfig = uint64_t{1} << 9;

inline constexpr uint32_t kVersion = 1;  // in the two lowest bits of the flags
inline constexpr uint32_t kVersionMask = 3;
inline constexpr uint32_t kReplyFlag = 1 << 2;
inline constexpr uint32_t kNeedReplyFlag = 1 << 3;

struct Header {
  uint32_t request;
  uint32_t flags;
  uint32_t payload_bytes;
};
static_assert(sizeof(Header) == 12);

struct MemoryRegion {
  uint64_t guest_address;
  uint64_t size_bytes;
  uint64_t user_address;  // in our address space, as ring addresses are given
  uint64_t mmap_offset;   // in the file that goes with it
};
static_assert(sizeof(MemoryRegion) == 32);

inline constexpr size_t kMaxMemoryRegions = 8;
struct MemoryTable {
  uint32_t region_count;
  uint32_t padding;
  MemoryRegion regions[kMaxMemoryRegions];  // the message ends after the last one in use
};
static_assert(sizeof(MemoryTable) == 8 + 32 * kMaxMemoryRegions);

struct VringState {
  uint32_t index;
  uint32_t value;
};
static_assert(sizeof(VringState) == 8);

struct VringAddress {
  uint32_t index;
  uint32_t flags;
  uint64_t descriptors;
  uint64_t used;
  uint64_t available;
  uint64_t log;
};
static_assert(sizeof(VringAddress) == 40);

// Before the bytes of the configuration space.
struct ConfigHeader {
  uint32_t offset;
  uint32_t size_bytes;
  uint32_t flags;
};
static_assert(sizeof(ConfigHeader) == 12);

// The most that either end sends in one message of those above.
inline constexpr size_t kMaxPayloadBytes = 4096;

}  // namespace ember::virtio::vhost_user

#endif  // EMBER_VIRTIO_VHOST_USER_PROTOCOL_H_
