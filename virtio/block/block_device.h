#ifndef EMBER_VIRTIO_BLOCK_BLOCK_DEVICE_H_
#define EMBER_VIRTIO_BLOCK_BLOCK_DEVICE_H_

#include <linux/virtio_blk.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/event_set.h"
#include "base/rate_limiter.h"
#include "virtio/block/block_session.h"
#include "virtio/block/disk.h"
#include "virtio/block/io_engine.h"
#include "virtio/block/metrics.h"
#include "virtio/virtio_device.h"

namespace ember::virtio {

// Whether the driver is offered to discard and to write zeroes.
enum class DiscardSupport : uint8_t { kNone, kOffered };

// virtio-blk (virtio 1.2, 5.2) over a Disk: read, write, flush and get-id, discard and write-zeroes
// where they are offered, on one queue or several; all else is answered UNSUPP. How the disk is
// asked is up to an IoEngine; what is done when, to BlockSession. Threads as VirtioDevice says;
// metrics() from any.
//
// Where the driver declines the flush that kWriteback offers, each write is made durable before it
// completes (5.2.6.2).
class BlockDevice final : public VirtioDevice {
 public:
  static constexpr QueueSize kQueueSize{256};
  static constexpr uint16_t kMaxQueues = 16;

  struct Options {
    std::string drive_id;
    CacheType cache_type = CacheType::kUnsafe;
    DiscardSupport discard = DiscardSupport::kNone;
    uint16_t queue_count = 1;  // 1 to kMaxQueues
    RateLimiterOptions rate_limiter;
    const Clock& clock = MonotonicClock();
    // Of a snapshot: what its driver believes of the disk. It is told where that has changed.
    std::optional<uint64_t> known_capacity_sectors;
  };

  // `engine` works on `disk`; without one, a SyncEngine does. Read-only where the disk is. A disk's
  // bytes after its last whole sector are not used.
  static Result<std::unique_ptr<BlockDevice>> Create(std::unique_ptr<Disk> disk,
                                                     std::unique_ptr<IoEngine> engine,
                                                     const Options& options);
  static Result<std::unique_ptr<BlockDevice>> Create(std::unique_ptr<Disk> disk,
                                                     const Options& options) {
    return Create(std::move(disk), nullptr, options);
  }
  ~BlockDevice() override;

  const BlockMetrics& metrics() const { return parts_->metrics; }
  uint64_t capacity_sectors() const { return parts_->disk->size_bytes() / kSectorBytes; }

  // For a client, inside DeviceState::WithDevice(). Finishes what is under way on the old disk,
  // goes on with the new one, and tells the driver where the capacity is another. The disk may be
  // the same file again, grown or shrunk. Not from read-only to writable or back.
  Status ReplaceDisk(std::unique_ptr<Disk> disk);
  // The same for the limits: the buckets that are given replace those there were.
  void UpdateRateLimiter(const RateLimiterOptions& options);

  std::string_view name() const override { return parts_->name; }
  DeviceId id() const override { return DeviceId::kBlock; }
  Features offered_features() const override;
  std::span<const QueueSize> max_queue_sizes() const override { return queue_sizes_; }
  Status Activate(Activation activation) override;
  Progress OnNotify(QueueIndex queue) override;
  void Reset() override;
  // Disk and rings agree then, and what the disk has is durable.
  Status ComeToRest() override { return session_->ComeToRest(); }
  Status OnRestored() override;
  int host_event_fd() const override { return events_.fd().get(); }
  void OnHostEvents() override;
  HostWait* TakeHostWait() override;
  void ReadConfig(uint64_t offset, std::span<std::byte> out) const override;
  void WriteConfig(uint64_t offset, std::span<const std::byte> in) override;

 private:
  BlockDevice(EventSet events, std::unique_ptr<BlockParts> parts, const Options& options);

  // Asks to be called for each call that the engine finishes, or not, as the session wishes.
  void FollowSession();

  EventSet events_;
  bool waits_in_engine_ = false;  // TakeHostWait() was called
  bool awaits_engine_ = true;     // in events_

  // Constant after construction.
  const DiscardSupport discard_;
  const std::vector<QueueSize> queue_sizes_;
  const std::optional<uint64_t> known_capacity_sectors_;

  const std::unique_ptr<BlockParts> parts_;
  virtio_blk_config config_{};
  std::unique_ptr<BlockSession> session_;  // null while inactive; uses the parts
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_BLOCK_DEVICE_H_
