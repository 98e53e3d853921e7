#ifndef EMBER_VIRTIO_BLOCK_REQUEST_H_
#define EMBER_VIRTIO_BLOCK_REQUEST_H_

#include <linux/virtio_blk.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <tl/expected.hpp>

#include "virtio/breach.h"
#include "virtio/buffers.h"
#include "virtio/descriptor_chain.h"

namespace ember::virtio {

enum class BlockStatus : uint8_t {
  kOk = VIRTIO_BLK_S_OK,
  kIoError = VIRTIO_BLK_S_IOERR,
  kUnsupported = VIRTIO_BLK_S_UNSUPP,
};

// One request as the driver laid it out (virtio 1.2, 5.2.6): a header of 16 bytes to read, data to
// read or write, a status byte to write, split over buffers in any way. A plain value; it borrows
// from the chain's storage.
struct BlockRequest {
  uint32_t type = 0;            // VIRTIO_BLK_T_…, the driver's
  uint64_t sector = 0;          // unchecked
  Buffers to_read;              // the rest of the readable bytes
  Buffers to_write;             // the writable bytes but the last
  std::byte* status = nullptr;  // the last writable byte; never null
};

// Takes the chain apart, copying the header out once. A chain that has no room for header or status
// is a breach.
tl::expected<BlockRequest, Breach> ParseBlockRequest(const DescriptorChain& chain);

// Why a read or write of `data_bytes` at `sector` cannot be done on a disk of `capacity_sectors`;
// kOk where it can: whole sectors, none past the end.
BlockStatus CheckBounds(uint64_t sector, uint64_t data_bytes, uint64_t capacity_sectors);

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_REQUEST_H_
