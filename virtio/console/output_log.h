#ifndef EMBER_VIRTIO_CONSOLE_OUTPUT_LOG_H_
#define EMBER_VIRTIO_CONSOLE_OUTPUT_LOG_H_

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ember::virtio {

// The last bytes of a stream, in a ring of a constant size. A byte keeps its position in the stream
// for ever, so that any number of readers can go on from theirs; what a reader misses, it can
// count. One thread at a time.
class OutputLog {
 public:
  // All of its memory, now. At least 1 byte.
  explicit OutputLog(size_t capacity_bytes) : ring_(capacity_bytes) {}

  void Append(std::span<const std::byte> bytes);

  // The positions of the oldest byte that is there, and of the next to come.
  uint64_t begin() const { return end_ < ring_.size() ? 0 : end_ - ring_.size(); }
  uint64_t end() const { return end_; }
  size_t capacity_bytes() const { return ring_.size(); }
  // All bytes from `position` on, which is in [begin(), end()], in their order; a piece may be
  // empty. Valid until the next Append().
  std::array<iovec, 2> From(uint64_t position) const;

 private:
  std::vector<std::byte> ring_;
  uint64_t end_ = 0;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_CONSOLE_OUTPUT_LOG_H_
