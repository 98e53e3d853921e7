#ifndef EMBER_VIRTIO_VSOCK_PACKET_H_
#define EMBER_VIRTIO_VSOCK_PACKET_H_

#include <linux/virtio_vsock.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <tl/expected.hpp>

#include "virtio/breach.h"
#include "virtio/buffers.h"
#include "virtio/descriptor_chain.h"

namespace ember::virtio {

// struct virtio_vsock_hdr (virtio 1.2, 5.10.6), as it lies in memory.
inline constexpr size_t kVsockHeaderBytes = 44;
static_assert(sizeof(virtio_vsock_hdr) == kVsockHeaderBytes);

// The well-known address of the host (5.10.4).
inline constexpr uint64_t kHostCid = 2;
// The least a guest can have: 0, 1 and 2 are reserved.
inline constexpr uint64_t kMinGuestCid = 3;

// A packet of the guest's: the header, copied once and nothing of it checked but that `len` bytes
// of payload are there, and those bytes in place. A plain value; it borrows from the chain's
// storage.
struct VsockPacket {
  virtio_vsock_hdr header{};
  Buffers payload;  // header.len bytes
};

// Takes a chain of the tx queue apart, laid out in any way. Readable bytes behind the payload and
// writable ones are not looked at.
tl::expected<VsockPacket, Breach> ParseVsockPacket(const DescriptorChain& chain);

// Where a packet for the guest goes: the writable bytes of a chain of the rx queue, the payload's
// in place and the header's kept apart, because the payload is read before the header is known.
// Borrows from the chain's storage, which it uses up. The device's thread.
class PacketRoom {
 public:
  // A chain without room for a header and one byte is a breach.
  static tl::expected<PacketRoom, Breach> In(const DescriptorChain& chain);

  // Writable pieces behind the header, at least one byte.
  Buffers& payload() { return payload_; }
  void PutHeader(const virtio_vsock_hdr& header);

 private:
  explicit PacketRoom(Buffers payload) : payload_(payload) {}

  // One byte a piece, at worst.
  std::array<iovec, kVsockHeaderBytes> header_pieces_;
  size_t header_piece_count_ = 0;
  Buffers payload_;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_VSOCK_PACKET_H_
