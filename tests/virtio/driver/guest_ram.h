#ifndef EMBER_TESTS_VIRTIO_DRIVER_GUEST_RAM_H_
#define EMBER_TESTS_VIRTIO_DRIVER_GUEST_RAM_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "memory/guest_memory.h"

namespace ember::virtio::testing {

// A small guest's memory, in two regions with a hole between as beside the MMIO gap, and a bump
// allocator over the lower one. One thread allocates.
class GuestRam {
 public:
  static constexpr GuestRange kLow{GuestAddress{0}, uint64_t{8} << 20};
  static constexpr GuestRange kHigh{GuestAddress{uint64_t{4} << 30}, uint64_t{1} << 20};

  explicit GuestRam(bool track_dirty_pages = false) : GuestRam({kLow, kHigh}, track_dirty_pages) {}
  GuestRam(std::vector<GuestRange> ranges, bool track_dirty_pages)
      : GuestRam(std::move(ranges), {.track_dirty_pages = track_dirty_pages}) {}
  GuestRam(std::vector<GuestRange> ranges, const GuestMemory::Options& options)
      : memory_(*GuestMemory::Create(std::move(ranges), options)) {}
  explicit GuestRam(const GuestMemory::Options& options) : GuestRam({kLow, kHigh}, options) {}

  const GuestMemory& memory() const { return *memory_; }

  // Never at address 0, which no driver gives to a device.
  GuestAddress Allocate(uint64_t size_bytes, uint64_t alignment_bytes = 16) {
    next_ = (next_ + alignment_bytes - 1) / alignment_bytes * alignment_bytes;
    const GuestAddress at{next_};
    next_ += size_bytes;
    if (next_ > kLow.size_bytes) std::abort();
    return at;
  }
  std::span<std::byte> Bytes(GuestAddress at, uint64_t len) const {
    return *memory_->HostSpan(at, len);
  }

 private:
  std::unique_ptr<GuestMemory> memory_;
  uint64_t next_ = 0x1000;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_DRIVER_GUEST_RAM_H_
