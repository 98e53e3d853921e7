#include "virtio/block/ranges.h"

#include <linux/virtio_blk.h>

#include "base/endian.h"

namespace ember::virtio {
namespace {

// struct virtio_blk_discard_write_zeroes: le64 sector, le32 num_sectors, le32 flags.
constexpr size_t kRangeBytes = 16;
constexpr size_t kCountOffset = 8;
constexpr size_t kFlagsOffset = 12;
static_assert(sizeof(virtio_blk_discard_write_zeroes) == kRangeBytes);

constexpr uint32_t kUnmap = VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;

}  // namespace

tl::expected<DiskRanges, BlockStatus> ParseRanges(uint32_t type, Buffers& data,
                                                  uint64_t capacity_sectors) {
  const uint64_t count = data.size_bytes() / kRangeBytes;
  if (count == 0 || count > DiskRanges::kMaxRanges || data.size_bytes() % kRangeBytes != 0) {
    return tl::unexpected(BlockStatus::kIoError);
  }
  const uint32_t known_flags = type == VIRTIO_BLK_T_WRITE_ZEROES ? kUnmap : 0;
  DiskRanges ranges;
  std::array<std::byte, kRangeBytes> bytes;
  while (data.TakeFront(bytes)) {
    const std::span<const std::byte> range(bytes);
    const auto sector = LoadLe<uint64_t>(range);
    const auto sectors = LoadLe<uint32_t>(range.subspan(kCountOffset));
    const auto flags = LoadLe<uint32_t>(range.subspan(kFlagsOffset));
    if ((flags & ~known_flags) != 0) return tl::unexpected(BlockStatus::kUnsupported);
    const uint64_t len_bytes = sectors * kSectorBytes;
    if (sectors > DiskRanges::kMaxSectors ||
        CheckBounds(sector, len_bytes, capacity_sectors) != BlockStatus::kOk) {
      return tl::unexpected(BlockStatus::kIoError);
    }
    ranges.Add(
        {.offset = sector * kSectorBytes,
         .len_bytes = len_bytes,
         .zero_mode = (flags & kUnmap) != 0 ? ZeroMode::kMayDeallocate : ZeroMode::kKeepAllocated});
  }
  return ranges;
}

}  // namespace ember::virtio
