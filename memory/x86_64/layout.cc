#include "memory/x86_64/layout.h"

#include <algorithm>

#include "memory/layout.h"

namespace ember {

std::vector<GuestRange> RamRanges(uint64_t size_bytes) {
  std::vector<GuestRange> ranges;
  const uint64_t below_gap = std::min(size_bytes, ToInteger(x86_64::kMmioGapStart));
  const uint64_t above_gap = size_bytes - below_gap;
  if (below_gap > 0) ranges.push_back({.start = GuestAddress{0}, .size_bytes = below_gap});
  if (above_gap > 0) ranges.push_back({.start = x86_64::kMmioGapEnd, .size_bytes = above_gap});
  return ranges;
}

}  // namespace ember
