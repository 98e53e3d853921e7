#include "virtio/block/disk_file.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/concat.h"

namespace ember::virtio {
namespace {

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

// Repeats a call that a signal interrupted before it moved anything.
template <typename Call>
ssize_t RetryInterrupted(Call call) {
  ssize_t moved;
  do {
    moved = call();
  } while (moved < 0 && errno == EINTR);
  return moved;
}

}  // namespace

Result<std::unique_ptr<DiskFile>> DiskFile::Open(const std::string& path, Access access) {
  Fd fd = TRY(OpenFile(path, access));
  std::unique_ptr<DiskFile> disk(new DiskFile(path, std::move(fd), access));
  struct stat file {};
  if (::fstat(disk->fd_.get(), &file) < 0) return Error::FromErrno("fstat", path);
  if (!S_ISREG(file.st_mode) && !S_ISBLK(file.st_mode)) {
    return Error(Concat("disk ", path, " is neither a regular file nor a block device"));
  }
  disk->size_bytes_ = TRY(FileSize(disk->fd_, path));
  disk->serial_ = SerialOf(file);
  return disk;
}

Result<size_t> DiskFile::ReadSome(uint64_t offset, std::span<const iovec> into) {
  into = AtMostIovMax(into);
  const ssize_t moved = RetryInterrupted([&] {
    return ::preadv(fd_.get(), into.data(), static_cast<int>(into.size()),
                    static_cast<off_t>(offset));
  });
  if (moved < 0) return Error::FromErrno("preadv", path_);
  return static_cast<size_t>(moved);
}

Result<size_t> DiskFile::WriteSome(uint64_t offset, std::span<const iovec> from) {
  from = AtMostIovMax(from);
  const ssize_t moved = RetryInterrupted([&] {
    return ::pwritev(fd_.get(), from.data(), static_cast<int>(from.size()),
                     static_cast<off_t>(offset));
  });
  if (moved < 0) return Error::FromErrno("pwritev", path_);
  return static_cast<size_t>(moved);
}

Status DiskFile::Flush() {
  if (::fdatasync(fd_.get()) < 0) return Error::FromErrno("fdatasync", path_);
  return {};
}

}  // namespace ember::virtio
