#include "virtio/buffers.h"

#include <algorithm>
#include <cstring>

namespace ember::virtio {

void Buffers::DropFront(uint64_t count) {
  count = std::min(count, size_bytes_);
  size_bytes_ -= count;
  while (count > 0) {
    iovec& first = pieces_.front();
    const size_t piece = std::min<uint64_t>(count, first.iov_len);
    first.iov_base = static_cast<std::byte*>(first.iov_base) + piece;
    first.iov_len -= piece;
    count -= piece;
    if (first.iov_len == 0) pieces_ = pieces_.subspan(1);
  }
}

void Buffers::KeepFront(uint64_t count) {
  if (count >= size_bytes_) return;
  size_bytes_ = count;
  size_t pieces = 0;
  for (; count > 0; ++pieces) {
    iovec& piece = pieces_[pieces];
    piece.iov_len = std::min<uint64_t>(count, piece.iov_len);
    count -= piece.iov_len;
  }
  pieces_ = pieces_.first(pieces);
}

bool Buffers::TakeFront(std::span<std::byte> out) {
  if (out.size() > size_bytes_) return false;
  while (!out.empty()) {
    const iovec first = pieces_.front();
    const size_t piece = std::min(out.size(), first.iov_len);
    std::memcpy(out.data(), first.iov_base, piece);
    out = out.subspan(piece);
    DropFront(piece);
  }
  return true;
}

bool Buffers::PutFront(std::span<const std::byte> in) {
  if (in.size() > size_bytes_) return false;
  while (!in.empty()) {
    const iovec first = pieces_.front();
    const size_t piece = std::min(in.size(), first.iov_len);
    std::memcpy(first.iov_base, in.data(), piece);
    in = in.subspan(piece);
    DropFront(piece);
  }
  return true;
}

std::byte* Buffers::TakeLastByte() {
  if (empty()) return nullptr;
  iovec& last = pieces_.back();
  last.iov_len -= 1;
  size_bytes_ -= 1;
  std::byte* const byte = static_cast<std::byte*>(last.iov_base) + last.iov_len;
  if (last.iov_len == 0) pieces_ = pieces_.first(pieces_.size() - 1);
  return byte;
}

}  // namespace ember::virtio
