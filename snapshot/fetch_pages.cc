#include "snapshot/fetch_pages.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <vector>

#include "base/check.h"
#include "base/concat.h"
#include "base/file_ranges.h"

namespace ember::snapshot {
namespace {

// A gap between pages that is read along with them: for a disk another request costs more.
constexpr uint64_t kMostGapBytes = uint64_t{32} << 10;
// What the kernel reads ahead for one request, by default; of a longer one it leaves the rest out.
constexpr uint64_t kReadAheadBytes = uint64_t{128} << 10;

// A piece of the memory and where it is in the file.
struct Range {
  std::byte* host = nullptr;
  FileRange file;
};

bool IsMapped(const GuestMemory& memory, const MemoryPiece& piece) {
  return std::ranges::count(memory.file_ranges(), piece.region.range) != 0;
}

std::vector<Range> RangesOf(const MemoryPiece& piece, std::span<const uint64_t> bits) {
  std::vector<Range> ranges;
  for (const GuestRange& run : RunsOf(piece, bits)) {
    const uint64_t offset = ToInteger(run.start) - ToInteger(piece.region.range.start);
    const FileRange file{.offset_bytes = piece.file_offset_bytes + offset,
                         .size_bytes = run.size_bytes};
    if (!ranges.empty()) {
      FileRange& last = ranges.back().file;
      const uint64_t end = last.offset_bytes + last.size_bytes;
      if (file.offset_bytes - end <= kMostGapBytes) {
        last.size_bytes = file.offset_bytes + file.size_bytes - last.offset_bytes;
        continue;
      }
    }
    ranges.push_back({.host = piece.region.host + offset, .file = file});
  }
  return ranges;
}

// Has the disk begin with all of it before anything waits for any. Advice: where it is not taken,
// the file is read all the same, only later.
void BeginReading(const Fd& file, const FileRange& range) {
  for (uint64_t done = 0; done < range.size_bytes; done += kReadAheadBytes) {
    const uint64_t part = std::min(range.size_bytes - done, kReadAheadBytes);
    static_cast<void>(::readahead(file.get(), static_cast<off_t>(range.offset_bytes + done), part) <
                      0);
  }
}

// Waits until it is read, and maps it.
Status Map(const Range& range) {
  while (::madvise(range.host, range.file.size_bytes, MADV_POPULATE_READ) < 0) {
    if (errno == EINTR) continue;
    // Linux before 5.14: each touch finds what was read in the page cache.
    if (errno == EINVAL) return {};
    return Error::FromErrno(
        Concat("reading ", range.file.size_bytes, " bytes at ", range.file.offset_bytes));
  }
  return {};
}

}  // namespace

Result<uint64_t> FetchPages(const GuestMemory& memory, const PageBits& pages, const Fd& file) {
  const std::vector<MemoryPiece> pieces = PiecesOf(memory);
  EMBER_CHECK(pages.size() == pieces.size());
  std::vector<Range> ranges;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (!IsMapped(memory, pieces[i])) continue;
    for (const Range& range : RangesOf(pieces[i], pages[i])) ranges.push_back(range);
  }
  for (const Range& range : ranges) BeginReading(file, range.file);
  uint64_t fetched_bytes = 0;
  for (const Range& range : ranges) {
    TRY(Map(range));
    fetched_bytes += range.file.size_bytes;
  }
  return fetched_bytes;
}

}  // namespace ember::snapshot
