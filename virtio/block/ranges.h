#ifndef EMBER_VIRTIO_BLOCK_RANGES_H_
#define EMBER_VIRTIO_BLOCK_RANGES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <tl/expected.hpp>

#include "virtio/block/disk.h"
#include "virtio/block/request.h"

namespace ember::virtio {

// What of a disk a discard or write-zeroes request names, checked.
struct DiskRange {
  uint64_t offset = 0;
  uint64_t len_bytes = 0;
  ZeroMode zero_mode = ZeroMode::kKeepAllocated;
};

// A request's ranges. A plain value of fixed size.
class DiskRanges {
 public:
  // The limits that the configuration space tells (virtio 1.2, 5.2.4): ranges of a request, and
  // sectors of a range.
  static constexpr uint32_t kMaxRanges = 16;
  static constexpr uint32_t kMaxSectors = (uint32_t{2} << 30) / kSectorBytes;

  void Add(const DiskRange& range) { ranges_[count_++] = range; }
  std::span<const DiskRange> all() const { return std::span(ranges_).first(count_); }

 private:
  std::array<DiskRange, kMaxRanges> ranges_;
  size_t count_ = 0;
};

// Copies the ranges of a VIRTIO_BLK_T_DISCARD or VIRTIO_BLK_T_WRITE_ZEROES out of `data`, once, and
// checks each before any is carried out: their number and size, that they lie inside
// `capacity_sectors`, and the flags (5.2.6.2). The error is the answer to give.
tl::expected<DiskRanges, BlockStatus> ParseRanges(uint32_t type, Buffers& data,
                                                  uint64_t capacity_sectors);

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_RANGES_H_
