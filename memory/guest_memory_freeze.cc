// GuestMemory's way of becoming an image: docs/fork.md.
#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>

#include "base/check.h"
#include "base/concat.h"
#include "memory/backing.h"
#include "memory/guest_memory.h"

namespace ember {
namespace {

// Linux 5.1; the C library's headers of Debian 12 have it with _GNU_SOURCE, which g++ sets.
constexpr unsigned kNoMoreWrites = F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;

// Puts the region's part of the file in the place that the region has in the host: memory of ours,
// which stays mapped all the while for who touches it, as faults wait for mmap().
Status MapInPlace(const GuestMemory::Region& region, int memfd, int sharing) {
  void* const mapped = ::mmap(region.host, region.range.size_bytes, PROT_READ | PROT_WRITE,
                              sharing | MAP_FIXED | MAP_NORESERVE, memfd,
                              static_cast<off_t>(region.memfd_offset_bytes));
  if (mapped == MAP_FAILED) {
    return Error::FromErrno(Concat("mmap of guest memory at ", region.range.start));
  }
  ::madvise(mapped, region.range.size_bytes, MADV_DONTDUMP);
  return {};
}

}  // namespace

Result<Fd> GuestMemory::Freeze() {
  EMBER_CHECK(can_freeze());
  size_t mapped = 0;
  Status status;
  while (status && mapped < regions_.size()) {
    status = MapInPlace(regions_[mapped++], memfd_.get(), MAP_PRIVATE);
  }
  // No mapping is left that could write to it.
  if (status) status = AddSeals(memfd_, kNoMoreWrites);
  if (!status) {
    // Nothing but what was there a moment ago. Private mappings have nothing yet: nobody writes.
    for (size_t i = 0; i < mapped; ++i) {
      EMBER_CHECK(MapInPlace(regions_[i], memfd_.get(), MAP_SHARED).has_value());
    }
    return std::move(status).error();
  }
  for (Region& region : regions_) {
    region.memfd = -1;
    region.memfd_offset_bytes = 0;
    file_ranges_.push_back(region.range);
  }
  return std::move(memfd_);
}

bool GuestMemory::ForgetPageTables(uint64_t offset_bytes, uint64_t len) const {
  EMBER_CHECK(can_freeze());
  uint64_t begin = 0;  // of the region
  for (const Region& region : regions_) {
    const uint64_t end = begin + region.range.size_bytes;
    if (offset_bytes < end && len > 0) {
      const uint64_t piece = std::min(len, end - offset_bytes);
      // The pages are the file's, which keeps them. Fails for no mapping of ours, and harmlessly.
      ::madvise(region.host + (offset_bytes - begin), piece, MADV_DONTNEED);
      offset_bytes += piece;
      len -= piece;
    }
    begin = end;
  }
  return offset_bytes < begin;
}

}  // namespace ember
