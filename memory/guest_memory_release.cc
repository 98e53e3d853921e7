// GuestMemory's way of giving memory back to the host.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "base/concat.h"
#include "memory/backing.h"
#include "memory/guest_memory.h"

namespace ember {
namespace {

constexpr uint32_t kMaxReplacedPieces = 1024;

// The whole units of `unit` bytes inside the range; empty where there is none.
GuestRange WholeUnits(GuestAddress at, uint64_t len, uint64_t unit) {
  const uint64_t skipped = (unit - ToInteger(at) % unit) % unit;
  if (skipped >= len) return {.start = at, .size_bytes = 0};
  return {.start = at + skipped, .size_bytes = (len - skipped) / unit * unit};
}

// What two ranges share; empty where that is nothing.
GuestRange Overlap(const GuestRange& a, const GuestRange& b) {
  const GuestAddress start = std::max(a.start, b.start);
  const GuestAddress end = std::min(a.end(), b.end());
  if (end <= start) return {.start = start, .size_bytes = 0};
  return {.start = start, .size_bytes = ToInteger(end) - ToInteger(start)};
}

// Over memory of ours: the caller found the range in a region.
Status ReplaceWithAnonymous(std::byte* host, uint64_t len) {
  void* const mapped = ::mmap(host, len, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  if (mapped == MAP_FAILED) return Error::FromErrno("mmap");
  ::madvise(mapped, len, MADV_DONTDUMP);
  return {};
}

}  // namespace

std::optional<GuestAddress> GuestMemory::AddressOf(const std::byte* host) const {
  for (const Region& region : regions_) {
    // Addresses as numbers: pointers into different objects have no order.
    const auto offset = std::bit_cast<uintptr_t>(host) - std::bit_cast<uintptr_t>(region.host);
    if (offset < region.range.size_bytes) return region.range.start + offset;
  }
  if (pluggable_ == nullptr) return std::nullopt;
  const auto offset = std::bit_cast<uintptr_t>(host) - std::bit_cast<uintptr_t>(pluggable_->host());
  if (offset < pluggable_->range().size_bytes) return pluggable_->range().start + offset;
  return std::nullopt;
}

uint64_t GuestMemory::page_bytes() const {
  static const auto host_page_bytes = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return options_.backing == MemoryBacking::kHugetlbfs2M ? kHugePageBytes : host_page_bytes;
}

Result<uint64_t> GuestMemory::Release(GuestAddress at, uint64_t len) const {
  TRY(HostSpan(at, len));
  const GuestRange pages = WholeUnits(at, len, page_bytes());
  if (pages.size_bytes == 0) return uint64_t{0};
  const Region* const region = Find(pages.start);
  TRY_CONTEXT(region != nullptr ? ReleasePages(*region, pages) : pluggable_->Discard(pages),
              Concat("release of ", pages.size_bytes, " bytes of guest memory at ", pages.start));
  MarkDirty(pages.start, pages.size_bytes);
  return pages.size_bytes;
}

Status GuestMemory::ReleasePages(const Region& region, const GuestRange& pages) const {
  if (region.memfd < 0) return ReleaseAnonymous(region, pages);
  return DropSharedPages(HostAddress(region, pages.start), pages.size_bytes);
}

// MADV_DONTNEED brings a file's bytes back, so those pieces are covered by anonymous memory first.
Status GuestMemory::ReleaseAnonymous(const Region& region, const GuestRange& pages) const {
  for (const GuestRange& file_range : file_ranges_) {
    const GuestRange piece = Overlap(pages, file_range);
    if (piece.size_bytes == 0) continue;
    if (replaced_pieces_.fetch_add(1, std::memory_order_relaxed) >= kMaxReplacedPieces) {
      replaced_pieces_.store(kMaxReplacedPieces, std::memory_order_relaxed);
      break;
    }
    TRY(ReplaceWithAnonymous(HostAddress(region, piece.start), piece.size_bytes));
  }
  return DropAnonymousPages(HostAddress(region, pages.start), pages.size_bytes);
}

}  // namespace ember
