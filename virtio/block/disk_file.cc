#include "virtio/block/disk_file.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/concat.h"
#include "base/retry_interrupted.h"

namespace ember::virtio {
namespace {

// Where the host does not say what direct I/O needs.
constexpr uint32_t kCautiousAlignmentBytes = 4096;

DiskSerial SerialOf(const struct stat& file) {
  const std::string text = Concat(file.st_dev, file.st_rdev, file.st_ino);
  DiskSerial serial{};
  std::memcpy(serial.data(), text.data(), std::min(text.size(), serial.size()));
  return serial;
}

// What preadv and pwritev take at once.
std::span<const iovec> AtMostIovMax(std::span<const iovec> pieces) {
  return pieces.first(std::min<size_t>(pieces.size(), IOV_MAX));
}

Status SetFlags(const Fd& fd, int flags, const std::string& path) {
  if (::fcntl(fd.get(), F_SETFL, flags) < 0) return Error::FromErrno("fcntl", path);
  return {};
}

}  // namespace

Result<std::unique_ptr<DiskFile>> DiskFile::Open(const std::string& path, Access access,
                                                 HostCache cache) {
  Fd fd = TRY(OpenFile(path, access));
  std::unique_ptr<DiskFile> disk(new DiskFile(path, std::move(fd), access));
  struct stat file {};
  if (::fstat(disk->fd_.get(), &file) < 0) return Error::FromErrno("fstat", path);
  if (!S_ISREG(file.st_mode) && !S_ISBLK(file.st_mode)) {
    return Error(Concat("disk ", path, " is neither a regular file nor a block device"));
  }
  disk->file_.fd = disk->fd_.get();
  disk->size_bytes_ = TRY(FileSize(disk->fd_, path));
  disk->serial_ = SerialOf(file);
  if (cache == HostCache::kBypassed) {
    TRY(disk->BypassCache(S_ISBLK(file.st_mode)));
  } else {
    // It was opened so as not to wait; io_uring would make EAGAIN of that.
    TRY(SetFlags(disk->fd_, 0, path));
  }
  return disk;
}

Status DiskFile::BypassCache(bool block_device) {
  TRY(SetFlags(fd_, O_DIRECT, path_));
  file_.memory_alignment_bytes = file_.offset_alignment_bytes = kCautiousAlignmentBytes;
  struct statx extended {};
  const bool told = ::statx(fd_.get(), "", AT_EMPTY_PATH, STATX_DIOALIGN, &extended) == 0 &&
                    (extended.stx_mask & STATX_DIOALIGN) != 0;
  if (told) {
    if (extended.stx_dio_offset_align == 0) {
      return Error(Concat("disk ", path_, ": its file system has no direct I/O"));
    }
    file_.memory_alignment_bytes = std::max(extended.stx_dio_mem_align, 2U);
    file_.offset_alignment_bytes = extended.stx_dio_offset_align;
  } else if (block_device) {
    int block_bytes = 0;
    if (::ioctl(fd_.get(), BLKSSZGET, &block_bytes) == 0 && block_bytes > 0) {
      file_.offset_alignment_bytes = static_cast<uint32_t>(block_bytes);
    }
  }
  const uint64_t block_bytes = file_.offset_alignment_bytes;
  if (block_bytes > kSectorBytes && size_bytes_ % block_bytes != 0) {
    return Error(Concat("disk ", path_, ": its size ", size_bytes_, " is no multiple of ",
                        block_bytes, ", which direct I/O needs here"));
  }
  bounce_ = std::make_unique<BounceBuffer>(TRY(BounceBuffer::Create()));
  return {};
}

Result<size_t> DiskFile::ReadSome(uint64_t offset, std::span<const iovec> into) {
  into = AtMostIovMax(into);
  const auto bounce = [&] { return bounce_->Read(file_, offset, into); };
  const auto as_it_is = [&] {
    return ::preadv(fd_.get(), into.data(), static_cast<int>(into.size()),
                    static_cast<off_t>(offset));
  };
  const bool takes = file_.Takes(offset, into);
  ssize_t moved = takes ? RetryInterrupted(as_it_is) : RetryInterrupted(bounce);
  // A file system may want more than it says.
  if (moved < 0 && errno == EINVAL && takes && bounce_ != nullptr) moved = RetryInterrupted(bounce);
  if (moved < 0) return Error::FromErrno("preadv", path_);
  return static_cast<size_t>(moved);
}

Result<size_t> DiskFile::WriteSome(uint64_t offset, std::span<const iovec> from) {
  from = AtMostIovMax(from);
  const auto bounce = [&] { return bounce_->Write(file_, offset, from); };
  const auto as_it_is = [&] {
    return ::pwritev(fd_.get(), from.data(), static_cast<int>(from.size()),
                     static_cast<off_t>(offset));
  };
  const bool takes = file_.Takes(offset, from);
  ssize_t moved = takes ? RetryInterrupted(as_it_is) : RetryInterrupted(bounce);
  // A file system may want more than it says.
  if (moved < 0 && errno == EINVAL && takes && bounce_ != nullptr) moved = RetryInterrupted(bounce);
  if (moved < 0) return Error::FromErrno("pwritev", path_);
  return static_cast<size_t>(moved);
}

Status DiskFile::Flush() {
  if (RetryInterrupted([this] { return ::fdatasync(fd_.get()); }) < 0) {
    return Error::FromErrno("fdatasync", path_);
  }
  return {};
}

Result<bool> DiskFile::Allocate(int mode, uint64_t offset, uint64_t len_bytes) {
  const int done = RetryInterrupted([&] {
    return ::fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE | mode, static_cast<off_t>(offset),
                       static_cast<off_t>(len_bytes));
  });
  if (done == 0) return true;
  if (errno == EOPNOTSUPP) return false;
  return Error::FromErrno("fallocate", path_);
}

Result<uint64_t> DiskFile::DiscardSome(uint64_t offset, uint64_t len_bytes) {
  if (len_bytes > 0) TRY(Allocate(FALLOC_FL_PUNCH_HOLE, offset, len_bytes));
  return len_bytes;
}

Result<uint64_t> DiskFile::ZeroSome(uint64_t offset, uint64_t len_bytes, ZeroMode mode) {
  if (len_bytes == 0) return uint64_t{0};
  if (mode == ZeroMode::kMayDeallocate && TRY(Allocate(FALLOC_FL_PUNCH_HOLE, offset, len_bytes))) {
    return len_bytes;
  }
  if (TRY(Allocate(FALLOC_FL_ZERO_RANGE, offset, len_bytes))) return len_bytes;
  return Disk::ZeroSome(offset, len_bytes, mode);
}

}  // namespace ember::virtio
