#ifndef EMBER_VIRTIO_NET_NET_HEADER_H_
#define EMBER_VIRTIO_NET_NET_HEADER_H_

#include <cstdint>
#include <optional>

#include "virtio/features.h"
#include "virtio/net/virtio_net_uapi.h"

namespace ember::virtio {

// What stands before each frame in a buffer (virtio 1.2, 5.1.6): with VERSION_1 always 12 bytes.
using NetHeader = virtio_net_hdr_v1;
static_assert(sizeof(NetHeader) == 12);

inline constexpr uint64_t kMinFrameBytes = ETH_HLEN;
// 64 KiB of IP and its Ethernet header: what a driver's buffers are made for (5.1.6.3.1).
inline constexpr uint64_t kMaxFrameBytes = 65550;

// What to tell the host of a frame to transmit of `frame_bytes`, where `header` is the driver's:
// only what was negotiated and lies inside the frame (5.1.6.2). Nothing where the header asks for
// anything else. A pure function of copies.
std::optional<NetHeader> CheckTransmitHeader(const NetHeader& header, uint64_t frame_bytes,
                                             Features negotiated);

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_NET_NET_HEADER_H_
