#include "virtio/block/image_file.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <algorithm>

#include "base/concat.h"
#include "base/retry_interrupted.h"

namespace ember::virtio {
namespace {

int PieceCount(std::span<const iovec> pieces) {
  return static_cast<int>(std::min<size_t>(pieces.size(), IOV_MAX));
}

}  // namespace

Status ReadExactly(ImageFile& file, uint64_t offset, std::span<std::byte> out) {
  while (!out.empty()) {
    const iovec piece{.iov_base = out.data(), .iov_len = out.size()};
    const size_t count = TRY(file.ReadSome(offset, {&piece, 1}));
    if (count == 0) return Error(Concat("the file ends at ", offset));
    out = out.subspan(count);
    offset += count;
  }
  return {};
}

Status WriteExactly(ImageFile& file, uint64_t offset, std::span<const std::byte> in) {
  while (!in.empty()) {
    // pwritev(2) does not write to the pieces.
    const iovec piece{.iov_base = const_cast<std::byte*>(in.data()), .iov_len = in.size()};
    const size_t count = TRY(file.WriteSome(offset, {&piece, 1}));
    if (count == 0) return Error(Concat("the file takes no byte at ", offset));
    in = in.subspan(count);
    offset += count;
  }
  return {};
}

Result<size_t> HostImageFile::ReadSome(uint64_t offset, std::span<const iovec> into) {
  const ssize_t count = RetryInterrupted([&] {
    return ::preadv(fd_.get(), into.data(), PieceCount(into), static_cast<off_t>(offset));
  });
  if (count < 0) return Error::FromErrno("preadv", path_);
  return static_cast<size_t>(count);
}

Result<size_t> HostImageFile::WriteSome(uint64_t offset, std::span<const iovec> from) {
  const ssize_t count = RetryInterrupted([&] {
    return ::pwritev(fd_.get(), from.data(), PieceCount(from), static_cast<off_t>(offset));
  });
  if (count < 0) return Error::FromErrno("pwritev", path_);
  return static_cast<size_t>(count);
}

Status HostImageFile::Extend(uint64_t size_bytes) {
  if (::ftruncate(fd_.get(), static_cast<off_t>(size_bytes)) < 0) {
    return Error::FromErrno("ftruncate", path_);
  }
  return {};
}

Status HostImageFile::Sync() {
  if (RetryInterrupted([this] { return ::fdatasync(fd_.get()); }) < 0) {
    return Error::FromErrno("fdatasync", path_);
  }
  return {};
}

void HostImageFile::Deallocate(uint64_t offset, uint64_t len_bytes) {
  // A file system that cannot keeps them allocated.
  static_cast<void>(::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                static_cast<off_t>(offset), static_cast<off_t>(len_bytes)) < 0);
}

}  // namespace ember::virtio
