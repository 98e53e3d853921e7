#include "virtio/block/disk.h"

#include <algorithm>

namespace ember::virtio {
namespace {

constexpr size_t kZeroPieceBytes = size_t{64} << 10;
constexpr size_t kZeroPieces = 16;
// All pieces of a write are these bytes, which nothing writes to.
alignas(4096) const std::array<std::byte, kZeroPieceBytes> kZeros{};

}  // namespace

bool PlainFile::Takes(uint64_t offset, std::span<const iovec> pieces) const {
  if (memory_alignment_bytes <= 1 && offset_alignment_bytes <= 1) return true;
  if (offset % offset_alignment_bytes != 0) return false;
  return std::ranges::all_of(pieces, [this](const iovec& piece) {
    return piece.iov_len % offset_alignment_bytes == 0 &&
           reinterpret_cast<uintptr_t>(piece.iov_base) % memory_alignment_bytes == 0;
  });
}

Result<uint64_t> Disk::DiscardSome(uint64_t /*offset*/, uint64_t len_bytes) { return len_bytes; }

Result<uint64_t> Disk::ZeroSome(uint64_t offset, uint64_t len_bytes, ZeroMode /*mode*/) {
  if (len_bytes == 0) return uint64_t{0};
  std::array<iovec, kZeroPieces> pieces;
  size_t count = 0;
  while (count < pieces.size() && len_bytes > 0) {
    const size_t piece = std::min<uint64_t>(len_bytes, kZeros.size());
    pieces[count] = {.iov_base = const_cast<std::byte*>(kZeros.data()), .iov_len = piece};
    len_bytes -= piece;
    ++count;
  }
  return TRY(WriteSome(offset, std::span(pieces).first(count)));
}

}  // namespace ember::virtio
