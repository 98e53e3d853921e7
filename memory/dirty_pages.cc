#include "memory/dirty_pages.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace ember {
namespace {

constexpr uint64_t kBitsPerWord = 64;

constexpr uint64_t DivideRoundingUp(uint64_t value, uint64_t by) {
  return value / by + (value % by != 0 ? 1 : 0);
}

// Bits first..last of a word, both included.
constexpr uint64_t Mask(uint64_t first, uint64_t last) {
  const uint64_t from_first = ~uint64_t{0} << first;
  const uint64_t up_to_last = ~uint64_t{0} >> (kBitsPerWord - 1 - last);
  return from_first & up_to_last;
}

// Pages first..last, both included. Relaxed: a mark orders nothing, and whoever takes the bits has
// first stopped all writers, which synchronises with them.
void SetBits(std::atomic<uint64_t>* words, uint64_t first, uint64_t last) {
  for (uint64_t word = first / kBitsPerWord; word <= last / kBitsPerWord; ++word) {
    const uint64_t word_first = word * kBitsPerWord;
    const uint64_t mask = Mask(std::max(first, word_first) - word_first,
                               std::min(last - word_first, kBitsPerWord - 1));
    // Most marks find their bit set; a load leaves the cache line shared.
    if ((words[word].load(std::memory_order_relaxed) & mask) == mask) continue;
    words[word].fetch_or(mask, std::memory_order_relaxed);
  }
}

}  // namespace

DirtyPages::DirtyPages(const std::vector<GuestRange>& ranges) {
  bitmaps_.reserve(ranges.size());
  for (const GuestRange& range : ranges) {
    const uint64_t pages = DivideRoundingUp(range.size_bytes, kPageBytes);
    const size_t words = DivideRoundingUp(pages, kBitsPerWord);
    bitmaps_.push_back({.range = range,
                        .words = std::make_unique<std::atomic<uint64_t>[]>(words),
                        .word_count = words});
  }
}

void DirtyPages::Mark(GuestAddress at, uint64_t len) {
  if (len == 0) return;
  // Both ends included, so that a range that would pass 2^64 stops there.
  const uint64_t first = ToInteger(at);
  const uint64_t last = first + std::min(len - 1, std::numeric_limits<uint64_t>::max() - first);
  for (const Bitmap& bitmap : bitmaps_) {
    if (bitmap.range.size_bytes == 0) continue;
    const uint64_t start = ToInteger(bitmap.range.start);
    const uint64_t region_last = start + (bitmap.range.size_bytes - 1);
    if (last < start || first > region_last) continue;
    SetBits(bitmap.words.get(), (std::max(first, start) - start) / kPageBytes,
            (std::min(last, region_last) - start) / kPageBytes);
  }
}

std::vector<uint64_t> DirtyPages::Take(size_t region_index) {
  EMBER_CHECK(region_index < bitmaps_.size());
  const Bitmap& bitmap = bitmaps_[region_index];
  std::vector<uint64_t> bits(bitmap.word_count);
  for (size_t word = 0; word < bitmap.word_count; ++word) {
    bits[word] = bitmap.words[word].exchange(0, std::memory_order_relaxed);
  }
  return bits;
}

}  // namespace ember
