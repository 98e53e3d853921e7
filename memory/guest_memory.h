#ifndef EMBER_MEMORY_GUEST_MEMORY_H_
#define EMBER_MEMORY_GUEST_MEMORY_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "base/fd.h"
#include "base/mapping.h"
#include "base/result.h"
#include "memory/backing.h"
#include "memory/dirty_pages.h"
#include "memory/guest_address.h"
#include "memory/pluggable_memory.h"

namespace ember {

template <typename T>
concept Pod = std::is_trivially_copyable_v<T> && std::is_standard_layout_v<T>;

// The guest's RAM. Regions are fixed after Create(), sorted, and do not overlap; the guest and
// devices write to their bytes concurrently, so what is read here may change at any time: copy
// once, then validate the copy. Copies are plain memcpy(): a concurrent write may tear them, at no
// worse cost than a guest that wrote nonsense. An access of 0 bytes touches nothing and succeeds
// anywhere. What is plugged of pluggable memory counts as RAM for every access, though it is in no
// region; only such accesses pay for the look at what is plugged. All const methods may be called
// from any thread, but see MapFilePrivately().
class GuestMemory {
 public:
  struct Options {
    MemoryBacking backing = MemoryBacking::kAnonymous;
    bool track_dirty_pages = false;
    // Space for memory that comes later, above all RAM; none of it is plugged.
    std::optional<PluggableMemory::Options> pluggable;
  };

  // One region as KVM and a snapshot see it.
  struct Region {
    GuestRange range;
    std::byte* host = nullptr;        // borrowed; lives as long as the memory
    int memfd = -1;                   // borrowed; -1 where the backing is anonymous
    uint64_t memfd_offset_bytes = 0;  // where this region begins in memfd
  };

  // Allocates RAM for `ranges` (page-aligned sizes and starts, any order). Errors name the range.
  static Result<std::unique_ptr<GuestMemory>> Create(std::vector<GuestRange> ranges,
                                                     const Options& options);
  ~GuestMemory() = default;
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;

  // Copies between guest and host. The range may cross adjacent regions; a range not wholly in RAM
  // is an error that names it, and nothing is copied. WriteBytes marks the pages dirty.
  Status ReadBytes(GuestAddress at, std::span<std::byte> out) const;
  Status WriteBytes(GuestAddress at, std::span<const std::byte> in) const;

  template <Pod T>
  Result<T> Read(GuestAddress at) const {
    std::array<std::byte, sizeof(T)> bytes;
    if (Status read = ReadBytes(at, bytes); !read) return tl::unexpected(std::move(read).error());
    return std::bit_cast<T>(bytes);
  }
  template <Pod T>
  Status Write(GuestAddress at, const T& value) const {
    return WriteBytes(at, std::as_bytes(std::span<const T, 1>(&value, 1)));
  }

  // The host bytes of a range inside one region or plugged memory: for iovecs and ring pointers
  // that stay valid for the memory's life. Empty (and null) where `len` is 0. Does not mark
  // anything dirty: call MarkDirty for what a device wrote.
  Result<std::span<std::byte>> HostSpan(GuestAddress at, uint64_t len) const;
  // The same for as much of the range as lies in the region that holds `at`, or in plugged memory
  // from there on; empty where that is none.
  std::span<std::byte> HostPrefix(GuestAddress at, uint64_t len) const {
    for (const Region& region : regions_) {
      if (!region.range.Contains(at)) continue;
      const uint64_t offset = ToInteger(at) - ToInteger(region.range.start);
      return {region.host + offset, std::min(len, region.range.size_bytes - offset)};
    }
    return PluggedPrefix(at, len);
  }
  void MarkDirty(GuestAddress at, uint64_t len) const;

  // Puts a page-aligned piece of a file in place of RAM by a private mapping: the guest's writes
  // stay the guest's. `at`, `file_offset_bytes` and `len` are multiples of the page size, the range
  // lies in one region and the file is at least that long; who shortens it later makes the guest's
  // accesses fail with SIGBUS. Anonymous backing only. Before the machine runs: an access at the
  // same time sees old or new bytes.
  Status MapFilePrivately(GuestAddress at, const Fd& file, uint64_t file_offset_bytes,
                          uint64_t len) const;

  // Those pieces, as they were put, in any order.
  std::span<const GuestRange> file_ranges() const { return file_ranges_; }

  // Whether it is forkable and not frozen yet.
  bool can_freeze() const { return options_.backing == MemoryBacking::kForkable && memfd_.valid(); }
  // Makes what the memory holds now an image: a file of its regions, one after the other, that
  // nobody can write to any more. The memory becomes a private mapping of it, all pieces of files
  // (file_ranges()), at the same addresses of the host, so that every span stays valid. A write at
  // the same time is in the image or is not; later ones are not. Takes time in proportion to what
  // page tables hold, KVM's too: ForgetPageTables() comes before. Only where can_freeze(); while
  // the machine is paused and its devices rest. After an error all is as it was.
  Result<Fd> Freeze();
  // Has page tables forget `len` bytes of the regions, counted one after the other, from
  // `offset_bytes` on; what is in them stays, and who touches them next looks them up again.
  // Returns false where nothing is left behind the bytes. Only where can_freeze(). Any time, but
  // not while another thread freezes.
  bool ForgetPageTables(uint64_t offset_bytes, uint64_t len) const;

  // Where in the guest a host byte of a span from above is; nothing for any other.
  std::optional<GuestAddress> AddressOf(const std::byte* host) const;

  // Gives the host the memory behind a range inside one region: resident memory falls by what was
  // in use, and the guest and devices may go on using the range, which takes fresh memory. It then
  // reads zeros, but for pieces of files (MapFilePrivately), which may read as the file again. Only
  // whole pages of page_bytes() are given; the rest of the range is left as it is. Returns how many
  // bytes that was, and marks them dirty. Takes time in proportion to the memory in use. Any
  // thread, at any time.
  Result<uint64_t> Release(GuestAddress at, uint64_t len) const;
  // What the host gives and takes memory by: 2 MiB for kHugetlbfs2M, else the host's page size.
  uint64_t page_bytes() const;

  std::span<const Region> regions() const { return regions_; }
  uint64_t size_bytes() const;  // of the regions
  // Null where there is none. Borrowed.
  PluggableMemory* pluggable() const { return pluggable_.get(); }
  MemoryBacking backing() const { return options_.backing; }
  // Null unless dirty pages are tracked. Pluggable memory is one more region there, after all
  // others. Borrowed.
  DirtyPages* dirty_pages() const { return dirty_.get(); }

 private:
  GuestMemory(std::vector<Region> regions, MemoryHost host,
              std::unique_ptr<PluggableMemory> pluggable, const Options& options);
  // HostPrefix() of an address in no region.
  std::span<std::byte> PluggedPrefix(GuestAddress at, uint64_t len) const;
  // The region that holds `at`, or null.
  const Region* Find(GuestAddress at) const;
  // Whether every byte of the range is in some region. True where `len` is 0.
  bool IsRam(GuestAddress at, uint64_t len) const;
  // Release() of whole pages. memory/guest_memory_release.cc.
  Status ReleasePages(const Region& region, const GuestRange& pages) const;
  Status ReleaseAnonymous(const Region& region, const GuestRange& pages) const;
  // The place in the host of `at`, which lies in `region`.
  static std::byte* HostAddress(const Region& region, GuestAddress at);

  const Options options_;
  Fd memfd_;
  std::vector<Mapping> mappings_;
  std::vector<Region> regions_;
  std::unique_ptr<PluggableMemory> pluggable_;
  std::unique_ptr<DirtyPages> dirty_;
  // Where MapFilePrivately() put pieces of files; constant once the machine runs.
  mutable std::vector<GuestRange> file_ranges_;
  // Pieces of those that Release() put anonymous memory in place of. Each may split a mapping, of
  // which the host allows a process some 65,000, so their number is bounded. Relaxed: a count.
  mutable std::atomic<uint32_t> replaced_pieces_{0};
};

}  // namespace ember

#endif  // EMBER_MEMORY_GUEST_MEMORY_H_
