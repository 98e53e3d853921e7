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

GuestRange DeviceMemoryRange(uint64_t ram_bytes, uint32_t address_bits) {
  // Linux takes and gives memory in blocks of up to 2 GiB, aligned alike.
  constexpr uint64_t kAlignment = uint64_t{2} << 30;
  constexpr uint32_t kMaxBits = 52;  // of any x86 processor
  const std::vector<GuestRange> ram = RamRanges(ram_bytes);
  const uint64_t ram_end = ram.empty() ? 0 : ToInteger(ram.back().end());
  const uint64_t taken = std::max(ram_end, ToInteger(x86_64::kMmioGapEnd));
  const uint64_t start = (taken + kAlignment - 1) / kAlignment * kAlignment;
  const uint64_t end = uint64_t{1} << std::min(address_bits, kMaxBits);
  return {.start = GuestAddress{start}, .size_bytes = end > start ? end - start : 0};
}

}  // namespace ember
