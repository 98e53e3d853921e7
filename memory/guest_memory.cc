#include "memory/guest_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/concat.h"
#include "memory/backing.h"

namespace ember {
namespace {

uint64_t PageBytes() {
  static const auto page_bytes = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return page_bytes;
}

std::string Describe(GuestAddress at, uint64_t len) {
  return Concat("guest range ", at, " of ", len, " bytes");
}

std::string Describe(const GuestRange& range) { return Describe(range.start, range.size_bytes); }

Error NotInRam(GuestAddress at, uint64_t len) {
  return Error(Concat(Describe(at, len), " is not in RAM"));
}

// Sorted, and each range aligned, not empty, not past 2^64 and clear of the one before.
Status CheckRanges(const std::vector<GuestRange>& ranges, uint64_t page_bytes) {
  if (ranges.empty()) return Error("guest memory has no range");
  const GuestRange* before = nullptr;
  for (const GuestRange& range : ranges) {
    if (range.size_bytes == 0) return Error(Concat(Describe(range), " is empty"));
    if (ToInteger(range.start) % page_bytes != 0 || range.size_bytes % page_bytes != 0) {
      return Error(
          Concat(Describe(range), " is not made of whole pages of ", page_bytes, " bytes"));
    }
    if (!CheckedAdd(range.start, range.size_bytes)) {
      return Error(Concat(Describe(range), " does not end below 2^64"));
    }
    if (before != nullptr && range.start < before->end()) {
      return Error(Concat(Describe(range), " overlaps ", Describe(*before)));
    }
    before = &range;
  }
  return {};
}

// What PluggableMemory itself does not know: it lies above RAM.
Status CheckPluggable(const GuestRange& range, const GuestRange& last_ram) {
  if (!CheckedAdd(range.start, range.size_bytes)) {
    return Error(Concat("pluggable ", Describe(range), " does not end below 2^64"));
  }
  if (range.start >= last_ram.end()) return {};
  return Error(Concat("pluggable ", Describe(range), " is not above ", Describe(last_ram)));
}

}  // namespace

Result<std::unique_ptr<GuestMemory>> GuestMemory::Create(std::vector<GuestRange> ranges,
                                                         const Options& options) {
  std::ranges::sort(ranges, {}, &GuestRange::start);
  const bool huge = options.backing == MemoryBacking::kHugetlbfs2M;
  TRY(CheckRanges(ranges, huge ? kHugePageBytes : PageBytes()));

  std::unique_ptr<PluggableMemory> pluggable;
  if (options.pluggable) {
    TRY(CheckPluggable(options.pluggable->range, ranges.back()));
    pluggable = TRY(PluggableMemory::Create(*options.pluggable, options.backing));
  }
  MemoryHost host = TRY(AllocateHostMemory(ranges, options.backing));
  std::vector<Region> regions;
  uint64_t offset_bytes = 0;
  for (size_t index = 0; index < ranges.size(); ++index) {
    regions.push_back({.range = ranges[index],
                       .host = host.mappings[index].data(),
                       .memfd = host.memfd.get(),
                       .memfd_offset_bytes = host.memfd.valid() ? offset_bytes : 0});
    offset_bytes += ranges[index].size_bytes;
  }
  return std::unique_ptr<GuestMemory>(
      new GuestMemory(std::move(regions), std::move(host), std::move(pluggable), options));
}

GuestMemory::GuestMemory(std::vector<Region> regions, MemoryHost host,
                         std::unique_ptr<PluggableMemory> pluggable, const Options& options)
    : options_(options),
      memfd_(std::move(host.memfd)),
      mappings_(std::move(host.mappings)),
      regions_(std::move(regions)),
      pluggable_(std::move(pluggable)) {
  if (!options_.track_dirty_pages) return;
  std::vector<GuestRange> ranges;
  for (const Region& region : regions_) ranges.push_back(region.range);
  if (pluggable_ != nullptr) ranges.push_back(pluggable_->range());
  dirty_ = std::make_unique<DirtyPages>(ranges);
}

// Two regions, or a few: a scan is faster than a search.
const GuestMemory::Region* GuestMemory::Find(GuestAddress at) const {
  for (const Region& region : regions_) {
    if (region.range.Contains(at)) return &region;
  }
  return nullptr;
}

bool GuestMemory::IsRam(GuestAddress at, uint64_t len) const {
  while (len > 0) {
    const uint64_t piece = HostPrefix(at, len).size();
    if (piece == 0) return false;
    len -= piece;
    at = at + piece;
  }
  return true;
}

std::span<std::byte> GuestMemory::PluggedPrefix(GuestAddress at, uint64_t len) const {
  if (pluggable_ == nullptr) return {};
  return pluggable_->Prefix(at, len);
}

std::byte* GuestMemory::HostAddress(const Region& region, GuestAddress at) {
  return region.host + (ToInteger(at) - ToInteger(region.range.start));
}

// A piece is empty where its block was unplugged since the look at it.
Status GuestMemory::ReadBytes(GuestAddress at, std::span<std::byte> out) const {
  if (!IsRam(at, out.size())) return NotInRam(at, out.size());
  while (!out.empty()) {
    const std::span<const std::byte> piece = HostPrefix(at, out.size());
    if (piece.empty()) return NotInRam(at, out.size());
    std::memcpy(out.data(), piece.data(), piece.size());
    out = out.subspan(piece.size());
    at = at + piece.size();
  }
  return {};
}

Status GuestMemory::WriteBytes(GuestAddress at, std::span<const std::byte> in) const {
  if (!IsRam(at, in.size())) return NotInRam(at, in.size());
  while (!in.empty()) {
    const std::span<std::byte> piece = HostPrefix(at, in.size());
    if (piece.empty()) return NotInRam(at, in.size());
    std::memcpy(piece.data(), in.data(), piece.size());
    MarkDirty(at, piece.size());
    in = in.subspan(piece.size());
    at = at + piece.size();
  }
  return {};
}

Result<std::span<std::byte>> GuestMemory::HostSpan(GuestAddress at, uint64_t len) const {
  if (len == 0) return std::span<std::byte>();
  const std::span<std::byte> bytes = HostPrefix(at, len);
  if (bytes.size() == len) return bytes;
  const Region* const region = Find(at);
  if (region == nullptr) return NotInRam(at, len);
  return Error(Concat(Describe(at, len), " is not within ", Describe(region->range), " of RAM"));
}

void GuestMemory::MarkDirty(GuestAddress at, uint64_t len) const {
  if (dirty_ != nullptr) dirty_->Mark(at, len);
}

Status GuestMemory::MapFilePrivately(GuestAddress at, const Fd& file, uint64_t file_offset_bytes,
                                     uint64_t len) const {
  if (options_.backing != MemoryBacking::kAnonymous) {
    return Error("a file can be mapped only over anonymous guest memory");
  }
  const uint64_t page_bytes = PageBytes();
  if (len == 0 || ToInteger(at) % page_bytes != 0 || len % page_bytes != 0 ||
      file_offset_bytes % page_bytes != 0) {
    return Error(Concat(Describe(at, len), " from file offset ", file_offset_bytes,
                        " is not made of whole pages of ", page_bytes, " bytes"));
  }
  const std::span<std::byte> target = TRY(HostSpan(at, len));
  const uint64_t file_bytes = TRY(FileSize(file, "file to map"));
  if (file_offset_bytes > file_bytes || len > file_bytes - file_offset_bytes) {
    return Error(Concat("the file ends at ", file_bytes, " bytes, before offset ",
                        file_offset_bytes, " plus ", len));
  }
  // Over memory of ours: the range was found in a region just now.
  void* const mapped =
      ::mmap(target.data(), target.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
             file.get(), static_cast<off_t>(file_offset_bytes));
  if (mapped == MAP_FAILED) return Error::FromErrno(Concat("mmap over ", Describe(at, len)));
  ::madvise(mapped, target.size(), MADV_DONTDUMP);
  file_ranges_.push_back({.start = at, .size_bytes = len});
  MarkDirty(at, len);
  return {};
}

uint64_t GuestMemory::size_bytes() const {
  uint64_t sum = 0;
  for (const Region& region : regions_) sum += region.range.size_bytes;
  return sum;
}

}  // namespace ember
