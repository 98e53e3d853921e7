#include "virtio/vsock/packet.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>

namespace ember::virtio {

static_assert(std::endian::native == std::endian::little,
              "headers are used as they lie in the guest's memory");

tl::expected<VsockPacket, Breach> ParseVsockPacket(const DescriptorChain& chain) {
  VsockPacket packet{.header = {}, .payload = chain.readable()};
  if (!packet.payload.TakeFront(std::as_writable_bytes(std::span(&packet.header, 1)))) {
    return tl::unexpected(Breach::kRequestHeaderTooShort);
  }
  if (packet.header.len > packet.payload.size_bytes()) {
    return tl::unexpected(Breach::kRequestDataTooShort);
  }
  packet.payload.KeepFront(packet.header.len);
  return packet;
}

tl::expected<PacketRoom, Breach> PacketRoom::In(const DescriptorChain& chain) {
  if (chain.writable_bytes() <= kVsockHeaderBytes) return tl::unexpected(Breach::kBufferTooSmall);
  PacketRoom room(chain.writable());
  size_t wanted = kVsockHeaderBytes;
  for (const iovec& piece : room.payload_.pieces()) {
    iovec& kept = room.header_pieces_[room.header_piece_count_++];
    kept = {.iov_base = piece.iov_base, .iov_len = std::min(wanted, piece.iov_len)};
    wanted -= kept.iov_len;
    if (wanted == 0) break;
  }
  room.payload_.DropFront(kVsockHeaderBytes);
  return room;
}

void PacketRoom::PutHeader(const virtio_vsock_hdr& header) {
  std::span<const std::byte> rest = std::as_bytes(std::span(&header, 1));
  for (const iovec& piece : std::span(header_pieces_).first(header_piece_count_)) {
    std::memcpy(piece.iov_base, rest.data(), piece.iov_len);
    rest = rest.subspan(piece.iov_len);
  }
}

}  // namespace ember::virtio
