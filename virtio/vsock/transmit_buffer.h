#ifndef EMBER_VIRTIO_VSOCK_TRANSMIT_BUFFER_H_
#define EMBER_VIRTIO_VSOCK_TRANSMIT_BUFFER_H_

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "virtio/buffers.h"

namespace ember::virtio {

// Bytes from the guest that the host's socket did not take yet: a ring of fixed capacity, which
// holds memory only while it holds bytes. The device's thread.
class TransmitBuffer {
 public:
  explicit TransmitBuffer(uint32_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}

  uint32_t capacity_bytes() const { return capacity_bytes_; }
  uint32_t size_bytes() const { return size_bytes_; }
  bool empty() const { return size_bytes_ == 0; }

  // Copies all of `from` behind what is there; the caller knows that it fits.
  void Append(Buffers& from);
  // What is there, first to last, in `room`: one piece or two.
  std::span<const iovec> Pieces(std::array<iovec, 2>& room) const;
  // Drops the first `count` bytes; at most all.
  void DropFront(uint32_t count);
  void Clear() { DropFront(size_bytes_); }

 private:
  const uint32_t capacity_bytes_;
  std::unique_ptr<std::byte[]> bytes_;  // null while empty
  uint32_t first_ = 0;
  uint32_t size_bytes_ = 0;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_VSOCK_TRANSMIT_BUFFER_H_
