#ifndef EMBER_VIRTIO_BLOCK_BOUNCE_BUFFER_H_
#define EMBER_VIRTIO_BLOCK_BOUNCE_BUFFER_H_

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "base/mapping.h"
#include "base/result.h"
#include "virtio/block/disk.h"

namespace ember::virtio {

// Memory through which a file opened with O_DIRECT is read and written at offsets, in lengths and
// to memory that the host would refuse. One thread at a time.
class BounceBuffer {
 public:
  // The most that is moved at once.
  static constexpr size_t kBytes = size_t{256} << 10;

  static Result<BounceBuffer> Create();

  // In the manner of preadv(2) and pwritev(2): what was moved, perhaps less than asked for, or -1
  // and errno. A write that covers blocks of the host's in part reads them first, so nothing else
  // may be writing to them meanwhile. The file ends at the end of a block.
  ssize_t Read(const PlainFile& file, uint64_t offset, std::span<const iovec> into);
  ssize_t Write(const PlainFile& file, uint64_t offset, std::span<const iovec> from);

 private:
  explicit BounceBuffer(Mapping memory) : memory_(std::move(memory)) {}

  // Whole blocks around as much of [offset, offset + len) as has room.
  struct Blocks {
    uint64_t offset = 0;
    size_t bytes = 0;
    size_t before = 0;  // bytes ahead of what is asked for
    size_t wanted = 0;
  };
  static Blocks Around(const PlainFile& file, uint64_t offset, std::span<const iovec> pieces);

  Mapping memory_;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_BOUNCE_BUFFER_H_
