#ifndef EMBER_VIRTIO_BLOCK_DISK_H_
#define EMBER_VIRTIO_BLOCK_DISK_H_

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/fd.h"
#include "base/result.h"

namespace ember::virtio {

inline constexpr uint64_t kSectorBytes = 512;  // virtio 1.2, 5.2: whatever the block size

// What VIRTIO_BLK_T_GET_ID answers: text filled up with zeros.
using DiskSerial = std::array<std::byte, 20>;

// What a driver allows when it asks for zeros (virtio 1.2, 5.2.6.2, the unmap flag).
enum class ZeroMode : uint8_t {
  kKeepAllocated,  // the range keeps its room on the host
  kMayDeallocate,
};

// A disk that is nothing but a file of the host, byte for byte, so that an engine may do the I/O by
// means of its own. A plain value; the descriptor is the disk's.
struct PlainFile {
  int fd = -1;
  // What memory addresses and what offsets and lengths must be multiples of: 1 through the page
  // cache, more past it.
  uint32_t memory_alignment_bytes = 1;
  uint32_t offset_alignment_bytes = 1;

  // Whether the host moves bytes between the pieces and the file at `offset` as they are.
  bool Takes(uint64_t offset, std::span<const iovec> pieces) const;
};

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

  // Both say how much of the range, from its start, they have done; not 0 unless `len_bytes` is.
  // The driver needs the range's contents no more: they may stay or go. Does nothing by default.
  virtual Result<uint64_t> DiscardSome(uint64_t offset, uint64_t len_bytes);
  // The range reads as zeros from now on. Writes them by default, at most 1 MiB at once.
  virtual Result<uint64_t> ZeroSome(uint64_t offset, uint64_t len_bytes, ZeroMode mode);

  // The file that reads, writes and flushes of this disk go to as they are; nothing where a disk is
  // more than that (the default). The same for the disk's life.
  virtual std::optional<PlainFile> plain_file() const { return std::nullopt; }
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_DISK_H_
