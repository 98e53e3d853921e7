#include "snapshot/copy_file.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <span>
#include <vector>

#include "base/concat.h"

namespace ember::snapshot {
namespace {

constexpr uint64_t kChunkBytes = uint64_t{1} << 20;

Status WriteAllAt(const Fd& file, uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count =
        ::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error::FromErrno(Concat("write at ", offset));
    offset += static_cast<uint64_t>(count);
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
  return {};
}

Status CopyThroughMemory(const Fd& from, const Fd& to, uint64_t offset_bytes, uint64_t len) {
  std::vector<std::byte> chunk(std::min(len, kChunkBytes));
  while (len > 0) {
    const std::span<std::byte> part = std::span(chunk).first(std::min(len, kChunkBytes));
    TRY(ReadExactAt(from, offset_bytes, part));
    TRY(WriteAllAt(to, offset_bytes, part));
    offset_bytes += part.size();
    len -= part.size();
  }
  return {};
}

}  // namespace

Status CopyRange(const Fd& from, const Fd& to, uint64_t offset_bytes, uint64_t len) {
  auto source = static_cast<loff_t>(offset_bytes);
  auto target = source;
  while (len > 0) {
    const ssize_t copied =
        ::copy_file_range(from.get(), &source, to.get(), &target, static_cast<size_t>(len), 0);
    if (copied < 0 && errno == EINTR) continue;
    // Two file systems, or one that cannot; and where it can, the end of the file says nothing.
    if (copied <= 0) return CopyThroughMemory(from, to, static_cast<uint64_t>(source), len);
    len -= static_cast<uint64_t>(copied);
  }
  return {};
}

Status CopyFile(const Fd& from, const Fd& to, uint64_t length_bytes) {
  if (::ioctl(to.get(), FICLONE, from.get()) == 0) return {};
  if (::ftruncate(to.get(), static_cast<off_t>(length_bytes)) < 0) {
    return Error::FromErrno(Concat("a file of ", length_bytes, " bytes"));
  }
  const auto end = static_cast<off_t>(length_bytes);
  for (off_t at = 0; at < end;) {
    const off_t data = ::lseek(from.get(), at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;  // no more of it
    if (data < 0) return Error::FromErrno("lseek");
    if (data >= end) break;
    const off_t hole = ::lseek(from.get(), data, SEEK_HOLE);
    if (hole < 0) return Error::FromErrno("lseek");
    at = std::min(hole, end);
    TRY(CopyRange(from, to, static_cast<uint64_t>(data), static_cast<uint64_t>(at - data)));
  }
  return {};
}

}  // namespace ember::snapshot
