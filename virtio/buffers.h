#ifndef EMBER_VIRTIO_BUFFERS_H_
#define EMBER_VIRTIO_BUFFERS_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace ember::virtio {

// A run of bytes that lies in pieces: guest RAM seen through iovecs which another object stores. It
// shrinks from either end by changing those iovecs in place, so use one Buffers for a run. The
// guest may change the bytes at any time. One thread at a time.
class Buffers {
 public:
  Buffers() = default;
  // `size_bytes` is the sum over the pieces, none of which is empty.
  Buffers(std::span<iovec> pieces, uint64_t size_bytes)
      : pieces_(pieces), size_bytes_(size_bytes) {}

  std::span<const iovec> pieces() const { return pieces_; }
  uint64_t size_bytes() const { return size_bytes_; }
  bool empty() const { return size_bytes_ == 0; }

  // Copies the first bytes out and drops them. False, and nothing done, where there are fewer.
  [[nodiscard]] bool TakeFront(std::span<std::byte> out);
  // Copies `in` over the first bytes and drops them. False, and nothing done, where there are
  // fewer.
  [[nodiscard]] bool PutFront(std::span<const std::byte> in);
  // Drops the first bytes; at most all.
  void DropFront(uint64_t count);
  // Drops all but the first bytes; none where there are no more.
  void KeepFront(uint64_t count);
  // Drops the last byte and returns it; null where there is none.
  std::byte* TakeLastByte();

 private:
  std::span<iovec> pieces_;
  uint64_t size_bytes_ = 0;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BUFFERS_H_
