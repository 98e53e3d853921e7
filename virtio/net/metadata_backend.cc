#include "virtio/net/metadata_backend.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace ember::virtio {
namespace {

using mmds::Responder;

// As much of the pieces as there is room for; returns it.
std::span<const std::byte> Gather(std::span<const iovec> pieces, std::span<std::byte> room) {
  size_t copied = 0;
  for (const iovec& piece : pieces) {
    const size_t count = std::min(piece.iov_len, room.size() - copied);
    if (count == 0) break;
    std::memcpy(room.data() + copied, piece.iov_base, count);
    copied += count;
  }
  return room.first(copied);
}

void Scatter(std::span<const std::byte> bytes, std::span<const iovec> pieces) {
  for (const iovec& piece : pieces) {
    const size_t count = std::min(piece.iov_len, bytes.size());
    if (count == 0) continue;
    std::memcpy(piece.iov_base, bytes.data(), count);
    bytes = bytes.subspan(count);
  }
}

}  // namespace

Status MetadataBackend::Start(Features negotiated) {
  responder_.Reset();
  return network_->Start(negotiated);
}

bool MetadataBackend::Answer(const NetHeader& header, std::span<const iovec> frame) {
  std::array<std::byte, Responder::kHeadBytes> head;
  if (!responder_.IsOurs(Gather(frame, head))) return false;
  if (frame_ == nullptr) frame_ = std::make_unique_for_overwrite<std::byte[]>(kMaxFrameBytes);
  const bool partial = (header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0;
  responder_.Accept(Gather(frame, {frame_.get(), kMaxFrameBytes}),
                    partial ? mmds::TcpChecksum::kPartial : mmds::TcpChecksum::kWhole);
  return true;
}

std::optional<Received> MetadataBackend::ReceiveAnswer(NetHeader& header,
                                                       std::span<const iovec> pieces) {
  std::array<std::byte, Responder::kMaxFrameBytes> frame;
  const size_t bytes = responder_.Next(frame);
  if (bytes == 0) return std::nullopt;
  header = {};
  Scatter(std::span(frame).first(bytes), pieces.subspan(1));
  networks_turn_ = true;
  return Received{.outcome = ReceiveOutcome::kFrame, .frame_bytes = bytes};
}

Received MetadataBackend::Receive(QueuePair pair, NetHeader& header, std::span<iovec> pieces) {
  if (!std::exchange(networks_turn_, false)) {
    if (const std::optional<Received> answer = ReceiveAnswer(header, pieces)) return *answer;
    return network_->Receive(pair, header, pieces);
  }
  const Received received = network_->Receive(pair, header, pieces);
  if (received.outcome == ReceiveOutcome::kFrame) return received;
  return ReceiveAnswer(header, pieces).value_or(received);
}

bool MetadataBackend::HoldsFrame(QueuePair pair) const {
  return responder_.NextIn() == std::chrono::nanoseconds::zero() || network_->HoldsFrame(pair);
}

}  // namespace ember::virtio
