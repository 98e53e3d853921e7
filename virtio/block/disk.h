#ifndef EMBER_VIRTIO_BLOCK_DISK_H_
#define EMBER_VIRTIO_BLOCK_DISK_H_

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/fd.h"
#include "base/result.h"

namespace ember::virtio {

inline constexpr uint64_t kSectorBytes = 512;  // virtio 1.2, 5.2: whatever the block size

// What VIRTIO_BLK_T_GET_ID answers: text filled up with zeros.
using DiskSerial = std::array<std::byte, 20>;

// What a block device keeps its sectors in. Used by one thread at a time; its calls block until the
// host has done the work. Offsets and lengths lie inside size_bytes().
class Disk {
 public:
  virtual ~Disk() = default;
  virtual uint64_t size_bytes() const = 0;
  virtual Access access() const = 0;
  virtual const DiskSerial& serial() const = 0;

  // Moves bytes between the pieces and the disk at `offset` in the manner of preadv(2): perhaps
  // fewer than asked for; 0 only where nothing can be moved.
  virtual Result<size_t> ReadSome(uint64_t offset, std::span<const iovec> into) = 0;
  virtual Result<size_t> WriteSome(uint64_t offset, std::span<const iovec> from) = 0;
  // Returns when all that was written before will outlive a loss of power.
  virtual Status Flush() = 0;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_DISK_H_
