#include "base/file_ranges.h"

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/concat.h"

namespace ember {

Result<std::vector<FileRange>> DataRanges(int file, const FileRange& within) {
  const auto end = static_cast<off_t>(within.offset_bytes + within.size_bytes);
  std::vector<FileRange> ranges;
  for (auto at = static_cast<off_t>(within.offset_bytes); at < end;) {
    const off_t data = ::lseek(file, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;  // no more of it
    if (data < 0) return Error::FromErrno("lseek");
    if (data >= end) break;
    const off_t hole = ::lseek(file, data, SEEK_HOLE);
    if (hole < 0) return Error::FromErrno("lseek");
    at = std::min(hole, end);
    ranges.push_back({.offset_bytes = static_cast<uint64_t>(data),
                      .size_bytes = static_cast<uint64_t>(at - data)});
  }
  return ranges;
}

Status WriteAllAt(const Fd& file, uint64_t offset_bytes, std::span<const std::byte> in) {
  while (!in.empty()) {
    const ssize_t count =
        ::pwrite(file.get(), in.data(), in.size(), static_cast<off_t>(offset_bytes));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error::FromErrno(Concat("write at ", offset_bytes));
    offset_bytes += static_cast<uint64_t>(count);
    in = in.subspan(static_cast<size_t>(count));
  }
  return {};
}

}  // namespace ember
