#include "memory/held_ranges.h"

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/fd.h"
#include "base/file_ranges.h"

namespace ember {
namespace {

// Linux, Documentation/admin-guide/mm/pagemap.rst.
constexpr uint64_t kPresentBit = uint64_t{1} << 63;
constexpr uint64_t kSwappedBit = uint64_t{1} << 62;
constexpr size_t kWindowPages = 8192;

void Append(std::vector<GuestRange>& ranges, const GuestRange& next) {
  if (!ranges.empty() && ranges.back().end() == next.start) {
    ranges.back().size_bytes += next.size_bytes;
  } else {
    ranges.push_back(next);
  }
}

// What the page tables know. Nothing where they cannot be read.
std::optional<std::vector<GuestRange>> InPageTables(const GuestMemory::Region& region) {
  const Result<Fd> pagemap = OpenFile("/proc/self/pagemap", Access::kReadOnly);
  if (!pagemap) return std::nullopt;
  const auto page_bytes = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const uint64_t pages = region.range.size_bytes / page_bytes;
  const uint64_t first = reinterpret_cast<uintptr_t>(region.host) / page_bytes;  // an index
  std::vector<uint64_t> entries(std::min<uint64_t>(pages, kWindowPages));
  std::vector<GuestRange> held;
  for (uint64_t done = 0; done < pages;) {
    const std::span<uint64_t> window =
        std::span(entries).first(std::min<uint64_t>(entries.size(), pages - done));
    if (!ReadExactAt(*pagemap, (first + done) * sizeof(uint64_t), std::as_writable_bytes(window))) {
      return std::nullopt;
    }
    for (const uint64_t entry : window) {
      const GuestAddress at = region.range.start + done * page_bytes;
      if ((entry & (kPresentBit | kSwappedBit)) != 0) {
        Append(held, {.start = at, .size_bytes = page_bytes});
      }
      ++done;
    }
  }
  return held;
}

// What a file holds of a region that begins at `offset_bytes` in it, in whole pages.
std::optional<std::vector<GuestRange>> InFile(int file, uint64_t offset_bytes,
                                              const GuestRange& range) {
  const auto page_bytes = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const auto ranges =
      DataRanges(file, {.offset_bytes = offset_bytes, .size_bytes = range.size_bytes});
  if (!ranges) return std::nullopt;
  std::vector<GuestRange> held;
  uint64_t done = 0;
  for (const FileRange& data : *ranges) {
    // A file system's blocks may be smaller than pages: two may be of one.
    const uint64_t first = data.offset_bytes - offset_bytes;
    const uint64_t begin = std::max(done, first / page_bytes * page_bytes);
    done = (first + data.size_bytes + page_bytes - 1) / page_bytes * page_bytes;
    if (done > begin) Append(held, {.start = range.start + begin, .size_bytes = done - begin});
  }
  return held;
}

// With what lies in pieces of files, of which page tables know only what was touched.
std::vector<GuestRange> WithFiles(std::vector<GuestRange> held, const GuestMemory::Region& region,
                                  std::span<const GuestRange> files) {
  for (const GuestRange& file : files) {
    if (region.range.Contains(file.start)) held.push_back(file);
  }
  std::ranges::sort(held, {}, &GuestRange::start);
  std::vector<GuestRange> merged;
  for (const GuestRange& range : held) {
    if (merged.empty() || merged.back().end() < range.start) {
      merged.push_back(range);
    } else if (merged.back().end() < range.end()) {
      merged.back().size_bytes = ToInteger(range.end()) - ToInteger(merged.back().start);
    }
  }
  return merged;
}

}  // namespace

std::vector<GuestRange> HeldRanges(const GuestMemory& memory, const GuestMemory::Region& region,
                                   const MappedFile& mapped) {
  std::vector<GuestRange> all = {region.range};
  if (region.memfd >= 0) {
    return InFile(region.memfd, region.memfd_offset_bytes, region.range).value_or(all);
  }
  std::optional<std::vector<GuestRange>> held = InPageTables(region);
  if (!held) return all;
  if (memory.file_ranges().empty()) return *std::move(held);
  std::optional<std::vector<GuestRange>> in_file;
  if (mapped.file != nullptr) {
    in_file = InFile(mapped.file->get(), mapped.offset_bytes, region.range);
  }
  if (in_file) return WithFiles(*std::move(held), region, *in_file);
  return WithFiles(*std::move(held), region, memory.file_ranges());
}

std::vector<GuestRange> RangesInUse(const GuestMemory& memory, const GuestMemory::Region& region) {
  const PluggableMemory* const pluggable = memory.pluggable();
  if (pluggable == nullptr || region.host != pluggable->host()) return {region.range};
  std::vector<GuestRange> plugged;
  for (uint64_t block = 0; block < pluggable->block_count(); ++block) {
    const PluggableMemory::Blocks one{.first = block, .count = 1};
    if (pluggable->CountPlugged(one) == 1) Append(plugged, pluggable->RangeOf(one));
  }
  return plugged;
}

}  // namespace ember
