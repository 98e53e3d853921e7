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
#include "base/file_ranges.h"

namespace ember::snapshot {
namespace {

constexpr uint64_t kChunkBytes = uint64_t{1} << 20;

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
  const std::vector<FileRange> ranges = TRY(DataRanges(from.get(), {.size_bytes = length_bytes}));
  for (const FileRange& data : ranges) {
    TRY(CopyRange(from, to, data.offset_bytes, data.size_bytes));
  }
  return {};
}

}  // namespace ember::snapshot
