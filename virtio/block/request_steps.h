#ifndef EMBER_VIRTIO_BLOCK_REQUEST_STEPS_H_
#define EMBER_VIRTIO_BLOCK_REQUEST_STEPS_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "virtio/block/io_engine.h"
#include "virtio/block/ranges.h"
#include "virtio/buffers.h"

namespace ember::virtio {

// Whether what a request changed must be durable before it completes.
enum class Durability : uint8_t { kAtFlush, kAtOnce };

// The calls to an engine that one request comes to, one after the other: its data in pieces, its
// ranges in parts, what a short call left undone, and a flush behind where it must be durable at
// once. Does no I/O itself. It must not move between Next() and the end of the call.
//
//   steps.BeginTransfer(IoKind::kRead, offset, data, Durability::kAtFlush);
//   while (const auto call = steps.Next()) {
//     if (!steps.Advance(…how much of it was done…)) …the disk ended before its size…
//   }
class RequestSteps {
 public:
  // The most that is asked of the host at once: of data, which is copied; of ranges, which are not.
  static constexpr uint64_t kMaxStepBytes = uint64_t{2} << 20;
  static constexpr uint64_t kMaxRangeStepBytes = uint64_t{128} << 20;

  // Each replaces what was before. Offsets, lengths and ranges are inside the disk; of `data` this
  // is the only user.
  void BeginTransfer(IoKind kind, uint64_t offset, const Buffers& data, Durability durability);
  void BeginRanges(IoKind kind, const DiskRanges& ranges, Durability durability);
  void BeginFlush();

  // The next call; nothing where the request is done. The same until Advance().
  std::optional<IoCall> Next();
  // The call from Next() is finished, `bytes` of it done. False where it should have done some.
  [[nodiscard]] bool Advance(uint64_t bytes);

  // Of a transfer's data, what was moved, from its start.
  uint64_t moved_bytes() const { return moved_bytes_; }

 private:
  IoCall TransferCall();
  // Passes over empty ranges.
  const DiskRange* CurrentRange();

  IoKind kind_ = IoKind::kFlush;
  bool flush_left_ = false;

  // A transfer.
  Buffers data_;
  uint64_t offset_ = 0;
  uint64_t moved_bytes_ = 0;
  iovec cut_{};  // a piece too large on its own, cut

  // Ranges.
  DiskRanges ranges_;
  size_t range_index_ = 0;
  uint64_t range_done_bytes_ = 0;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_REQUEST_STEPS_H_
