#include "vmm/snapshot/written_pages.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "memory/dirty_pages.h"

namespace ember::vmm {
namespace {

constexpr uint64_t kPageBytes = DirtyPages::kPageBytes;
constexpr uint64_t kBitsPerWord = 64;

}  // namespace

Result<snapshot::PageBits> TakeWrittenPages(const GuestMemory& memory, kvm::Vm& vm) {
  const std::vector<snapshot::MemoryPiece> pieces = snapshot::PiecesOf(memory);
  const std::vector<kvm::WrittenPages> by_guest = TRY(vm.TakeWrittenPages());
  snapshot::PageBits pages;
  for (size_t i = 0; i < pieces.size(); ++i) pages.push_back(memory.dirty_pages()->Take(i));
  for (const kvm::WrittenPages& slot : by_guest) {
    size_t i = 0;
    while (i < pieces.size() && !pieces[i].region.range.Contains(slot.range.start)) ++i;
    EMBER_CHECK(i < pieces.size());
    const uint64_t start = ToInteger(slot.range.start) - ToInteger(pieces[i].region.range.start);
    // Slots are whole MiB.
    const uint64_t first_word = start / kPageBytes / kBitsPerWord;
    EMBER_CHECK(start % (kPageBytes * kBitsPerWord) == 0 &&
                first_word + slot.bits.size() <= pages[i].size());
    for (size_t word = 0; word < slot.bits.size(); ++word) {
      pages[i][first_word + word] |= slot.bits[word];
    }
  }
  return pages;
}

void PutBackWrittenPages(const GuestMemory& memory, const snapshot::PageBits& pages) {
  const std::vector<snapshot::MemoryPiece> pieces = snapshot::PiecesOf(memory);
  EMBER_CHECK(pages.size() == pieces.size());
  for (size_t i = 0; i < pages.size(); ++i) {
    for (size_t word = 0; word < pages[i].size(); ++word) {
      for (uint64_t left = pages[i][word]; left != 0; left &= left - 1) {
        const uint64_t page = word * kBitsPerWord + static_cast<uint64_t>(std::countr_zero(left));
        memory.dirty_pages()->Mark(pieces[i].region.range.start + page * kPageBytes, kPageBytes);
      }
    }
  }
}

}  // namespace ember::vmm
