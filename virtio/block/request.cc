#include "virtio/block/request.h"

#include <array>
#include <span>

#include "base/endian.h"
#include "virtio/block/disk.h"

namespace ember::virtio {
namespace {

// struct virtio_blk_outhdr: le32 type, le32 ioprio, le64 sector.
constexpr size_t kHeaderBytes = 16;
constexpr size_t kTypeOffset = 0;
constexpr size_t kSectorOffset = 8;
static_assert(sizeof(virtio_blk_outhdr) == kHeaderBytes);

}  // namespace

tl::expected<BlockRequest, Breach> ParseBlockRequest(const DescriptorChain& chain) {
  BlockRequest request{.to_read = chain.readable(), .to_write = chain.writable()};
  std::array<std::byte, kHeaderBytes> header;
  if (!request.to_read.TakeFront(header)) return tl::unexpected(Breach::kRequestHeaderTooShort);
  request.status = request.to_write.TakeLastByte();
  if (request.status == nullptr) return tl::unexpected(Breach::kRequestNoStatusByte);

  const std::span<const std::byte> bytes(header);
  request.type = LoadLe<uint32_t>(bytes.subspan(kTypeOffset));
  request.sector = LoadLe<uint64_t>(bytes.subspan(kSectorOffset));
  return request;
}

BlockStatus CheckBounds(uint64_t sector, uint64_t data_bytes, uint64_t capacity_sectors) {
  if (data_bytes % kSectorBytes != 0 || sector > capacity_sectors ||
      data_bytes / kSectorBytes > capacity_sectors - sector) {
    return BlockStatus::kIoError;
  }
  return BlockStatus::kOk;
}

}  // namespace ember::virtio
