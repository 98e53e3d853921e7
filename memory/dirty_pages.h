#ifndef EMBER_MEMORY_DIRTY_PAGES_H_
#define EMBER_MEMORY_DIRTY_PAGES_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "memory/guest_address.h"

namespace ember {

// Which 4 KiB pages of guest RAM the VMM itself has written, beside what KVM logs for the guest's
// own writes. Any thread marks; Take() is for a paused machine.
class DirtyPages {
 public:
  static constexpr uint64_t kPageBytes = 4096;

  // Ranges as of GuestMemory, sorted.
  explicit DirtyPages(const std::vector<GuestRange>& ranges);

  // Marks every page the range touches. Parts outside RAM are ignored.
  void Mark(GuestAddress at, uint64_t len);
  // One bit a page of region `region_index`, in KVM_GET_DIRTY_LOG's layout; clears them.
  std::vector<uint64_t> Take(size_t region_index);

 private:
  struct Bitmap {
    GuestRange range;
    std::unique_ptr<std::atomic<uint64_t>[]> words;
    size_t word_count = 0;
  };
  std::vector<Bitmap> bitmaps_;
};

}  // namespace ember

#endif  // EMBER_MEMORY_DIRTY_PAGES_H_
