#ifndef EMBER_MEMORY_PLUGGABLE_MEMORY_H_
#define EMBER_MEMORY_PLUGGABLE_MEMORY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/fd.h"
#include "base/mapping.h"
#include "base/result.h"
#include "memory/backing.h"
#include "memory/guest_address.h"

namespace ember {

// Guest-physical space above RAM in which memory comes and goes in blocks of one size while the
// machine runs. Part of a GuestMemory, which lets devices reach what is plugged and nothing else.
// The host's addresses are set aside for all of it from the beginning; memory is used only where
// something is touched.
//
// Thread safety: const methods from any thread, at any time. Of the others one at a time; an access
// under way in a block that is unplugged meets old or fresh memory, never none.
class PluggableMemory {
 public:
  struct Options {
    GuestRange range;          // whole blocks, on a block's boundary
    uint64_t block_bytes = 0;  // a power of two of at least a host page of the backing
  };
  // Blocks [first, first + count).
  struct Blocks {
    uint64_t first = 0;
    uint64_t count = 0;

    uint64_t end() const { return first + count; }
    friend bool operator==(const Blocks&, const Blocks&) = default;
  };

  static Result<std::unique_ptr<PluggableMemory>> Create(const Options& options,
                                                         MemoryBacking backing);

  const GuestRange& range() const { return options_.range; }
  uint64_t block_bytes() const { return options_.block_bytes; }
  uint64_t block_count() const { return options_.range.size_bytes / options_.block_bytes; }
  Blocks all_blocks() const { return {.first = 0, .count = block_count()}; }
  GuestRange RangeOf(Blocks blocks) const {
    return {.start = range().start + blocks.first * block_bytes(),
            .size_bytes = blocks.count * block_bytes()};
  }
  // The host's memory of the range, and the file behind it: -1 where it is anonymous.
  std::byte* host() const { return mapping_.data(); }
  int memfd() const { return memfd_.get(); }

  // How many of the blocks are plugged. They lie within the range, here and below.
  uint64_t CountPlugged(Blocks blocks) const;
  // The host's bytes from `at` on, for as many of `len` as are plugged without a gap.
  std::span<std::byte> Prefix(GuestAddress at, uint64_t len) const;

  // Makes sure of the host's memory for pages about to be plugged, where the backing can run out:
  // huge pages, which the host clears at once. Harmless where it is there already. Returns for how
  // many bytes there was something to make sure of: all, or none.
  Result<uint64_t> Reserve(const GuestRange& pages) const;
  // From now on devices reach the blocks, or do not.
  void SetPlugged(Blocks blocks);
  void SetUnplugged(Blocks blocks);
  // Gives the host the memory behind pages, plugged or not. They then read zeros.
  Status Discard(const GuestRange& pages) const;

 private:
  PluggableMemory(const Options& options, MemoryBacking backing, MemoryHost host);
  // Where pages of the host's, which lie within range(), begin in the mapping and the file.
  uint64_t OffsetOf(const GuestRange& pages) const;
  // Calls `task` with each word that holds bits of blocks, and a mask of those bits.
  template <typename Task>
  void ForEachWord(Blocks blocks, Task&& task) const;

  const Options options_;
  const MemoryBacking backing_;
  const Mapping mapping_;
  const Fd memfd_;
  // One bit a block. Relaxed: the memory is always there, and what is in it is ordered by whatever
  // told of the address.
  const std::unique_ptr<std::atomic<uint64_t>[]> plugged_;
};

}  // namespace ember

#endif  // EMBER_MEMORY_PLUGGABLE_MEMORY_H_
