#include "virtio/block/bounce_buffer.h"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ember::virtio {
namespace {

uint64_t TotalBytes(std::span<const iovec> pieces) {
  uint64_t bytes = 0;
  for (const iovec& piece : pieces) bytes += piece.iov_len;
  return bytes;
}

// Between the pieces' first bytes and `buffer`.
void Scatter(std::span<const std::byte> buffer, std::span<const iovec> into) {
  for (const iovec& piece : into) {
    const size_t len = std::min(buffer.size(), piece.iov_len);
    if (len == 0) continue;
    std::memcpy(piece.iov_base, buffer.data(), len);
    buffer = buffer.subspan(len);
  }
}
void Gather(std::span<const iovec> from, std::span<std::byte> buffer) {
  for (const iovec& piece : from) {
    const size_t len = std::min(buffer.size(), piece.iov_len);
    if (len == 0) continue;
    std::memcpy(buffer.data(), piece.iov_base, len);
    buffer = buffer.subspan(len);
  }
}

}  // namespace

Result<BounceBuffer> BounceBuffer::Create() {
  return BounceBuffer(TRY(Mapping::Anonymous(kBytes)));
}

BounceBuffer::Blocks BounceBuffer::Around(const PlainFile& file, uint64_t offset,
                                          std::span<const iovec> pieces) {
  const uint64_t block = file.offset_alignment_bytes;
  Blocks blocks{.offset = offset / block * block};
  blocks.before = offset - blocks.offset;
  blocks.wanted = std::min<uint64_t>(TotalBytes(pieces), kBytes - blocks.before);
  blocks.bytes = (blocks.before + blocks.wanted + block - 1) / block * block;
  return blocks;
}

ssize_t BounceBuffer::Read(const PlainFile& file, uint64_t offset, std::span<const iovec> into) {
  const Blocks blocks = Around(file, offset, into);
  const iovec all{.iov_base = memory_.data(), .iov_len = blocks.bytes};
  const ssize_t got = ::preadv(file.fd, &all, 1, static_cast<off_t>(blocks.offset));
  if (got < 0) return got;
  if (static_cast<size_t>(got) <= blocks.before) return 0;
  const size_t moved = std::min(static_cast<size_t>(got) - blocks.before, blocks.wanted);
  Scatter(memory_.bytes().subspan(blocks.before, moved), into);
  return static_cast<ssize_t>(moved);
}

ssize_t BounceBuffer::Write(const PlainFile& file, uint64_t offset, std::span<const iovec> from) {
  const Blocks blocks = Around(file, offset, from);
  const iovec all{.iov_base = memory_.data(), .iov_len = blocks.bytes};
  if (blocks.bytes != blocks.wanted) {
    const ssize_t got = ::preadv(file.fd, &all, 1, static_cast<off_t>(blocks.offset));
    if (got < 0) return got;
    if (static_cast<size_t>(got) < blocks.bytes) return errno = EIO, -1;
  }
  Gather(from, memory_.bytes().subspan(blocks.before, blocks.wanted));
  const ssize_t put = ::pwritev(file.fd, &all, 1, static_cast<off_t>(blocks.offset));
  if (put < 0) return put;
  if (static_cast<size_t>(put) <= blocks.before) return 0;
  return static_cast<ssize_t>(std::min(static_cast<size_t>(put) - blocks.before, blocks.wanted));
}

}  // namespace ember::virtio
