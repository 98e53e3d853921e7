#include "virtio/net/net_header.h"

namespace ember::virtio {
namespace {

// The checksum field itself.
constexpr uint32_t kChecksumBytes = 2;

// The feature that a kind of segmentation needs; nothing for a kind that is never offered.
std::optional<unsigned> SegmentationFeature(uint8_t gso_type) {
  switch (gso_type) {
    case VIRTIO_NET_HDR_GSO_TCPV4:
      return VIRTIO_NET_F_HOST_TSO4;
    case VIRTIO_NET_HDR_GSO_TCPV6:
      return VIRTIO_NET_F_HOST_TSO6;
    case VIRTIO_NET_HDR_GSO_UDP:
      return VIRTIO_NET_F_HOST_UFO;
    default:
      return std::nullopt;
  }
}

bool SegmentationIsSound(const NetHeader& header, uint64_t frame_bytes, Features negotiated) {
  const bool congestion = (header.gso_type & VIRTIO_NET_HDR_GSO_ECN) != 0;
  const auto kind = static_cast<uint8_t>(header.gso_type & ~VIRTIO_NET_HDR_GSO_ECN);
  const std::optional<unsigned> feature = SegmentationFeature(kind);
  if (!feature || !negotiated.Has(*feature)) return false;
  if (congestion && !negotiated.Has(VIRTIO_NET_F_HOST_ECN)) return false;
  // Each segment gets a checksum of its own, so there is one to complete.
  if ((header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0) return false;
  return header.gso_size != 0 && header.hdr_len <= frame_bytes;
}

}  // namespace

std::optional<NetHeader> CheckTransmitHeader(const NetHeader& header, uint64_t frame_bytes,
                                             Features negotiated) {
  NetHeader checked{};
  // Other flags are not the driver's to set, and are ignored (5.1.6.2.2).
  if ((header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0) {
    const uint32_t field_at = uint32_t{header.csum_start} + header.csum_offset;
    if (!negotiated.Has(VIRTIO_NET_F_CSUM) || field_at + kChecksumBytes > frame_bytes) {
      return std::nullopt;
    }
    checked.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    checked.csum_start = header.csum_start;
    checked.csum_offset = header.csum_offset;
  }
  if (header.gso_type != VIRTIO_NET_HDR_GSO_NONE) {
    if (!SegmentationIsSound(header, frame_bytes, negotiated)) return std::nullopt;
    checked.gso_type = header.gso_type;
    checked.gso_size = header.gso_size;
    checked.hdr_len = header.hdr_len;
  }
  return checked;
}

}  // namespace ember::virtio
