#include "virtio/vsock/transmit_buffer.h"

#include <algorithm>

#include "base/check.h"

namespace ember::virtio {

void TransmitBuffer::Append(Buffers& from) {
  EMBER_CHECK(from.size_bytes() <= capacity_bytes_ - size_bytes_);
  // Not zeroed: pages that no byte reaches take no memory.
  if (bytes_ == nullptr) bytes_.reset(new std::byte[capacity_bytes_]);
  while (!from.empty()) {
    const uint32_t end = (first_ + size_bytes_) % capacity_bytes_;
    const uint64_t piece = std::min<uint64_t>(from.size_bytes(), capacity_bytes_ - end);
    EMBER_CHECK(from.TakeFront({bytes_.get() + end, piece}));
    size_bytes_ += static_cast<uint32_t>(piece);
  }
}

std::span<const iovec> TransmitBuffer::Pieces(std::array<iovec, 2>& room) const {
  if (empty()) return {};
  const uint32_t to_the_end = std::min(size_bytes_, capacity_bytes_ - first_);
  room[0] = {.iov_base = bytes_.get() + first_, .iov_len = to_the_end};
  room[1] = {.iov_base = bytes_.get(), .iov_len = size_bytes_ - to_the_end};
  return std::span(room).first(room[1].iov_len > 0 ? 2 : 1);
}

void TransmitBuffer::DropFront(uint32_t count) {
  count = std::min(count, size_bytes_);
  size_bytes_ -= count;
  first_ = empty() ? 0 : (first_ + count) % capacity_bytes_;
  if (empty()) bytes_.reset();
}

}  // namespace ember::virtio
