#ifndef EMBER_VIRTIO_BLOCK_BLOCK_DEVICE_H_
#define EMBER_VIRTIO_BLOCK_BLOCK_DEVICE_H_

#include <linux/virtio_blk.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "virtio/block/disk.h"
#include "virtio/block/metrics.h"
#include "virtio/block/request.h"
#include "virtio/virtio_device.h"

namespace ember::virtio {

enum class CacheType : uint8_t {
  kUnsafe,     // the driver is offered no flush: the host writes when it likes
  kWriteback,  // what a flush covered is durable when it completes
};

// virtio-blk (virtio 1.2, 5.2) over a Disk: read, write, flush and get-id on one queue, all else is
// answered UNSUPP. Requests are carried out one after the other on the device's thread, which waits
// for the host meanwhile; one wake-up does a bounded amount of them (large ones in pieces) and
// interrupts the driver once. Threads as VirtioDevice says; metrics() from any.
//
// Where the driver declines the flush that kWriteback offers, each write is made durable before it
// completes (5.2.6.2).
class BlockDevice final : public VirtioDevice {
 public:
  static constexpr QueueSize kQueueSize{256};
  // A wake-up ends when the requests it did cost this much: their bytes and kRequestCost each.
  static constexpr int64_t kWakeUpBudgetBytes = int64_t{4} << 20;
  static constexpr int64_t kRequestCostBytes = int64_t{64} << 10;
  static constexpr int64_t kFlushCostBytes = int64_t{1} << 20;
  // The most that is asked of the host at once.
  static constexpr uint64_t kMaxStepBytes = uint64_t{1} << 20;

  struct Options {
    std::string drive_id;
    CacheType cache_type = CacheType::kUnsafe;
  };

  // Read-only where the disk is. A disk's bytes after its last whole sector are not used.
  BlockDevice(std::unique_ptr<Disk> disk, const Options& options);
  ~BlockDevice() override;

  const BlockMetrics& metrics() const { return metrics_; }
  uint64_t capacity_sectors() const { return capacity_sectors_; }

  std::string_view name() const override { return name_; }
  DeviceId id() const override { return DeviceId::kBlock; }
  Features offered_features() const override;
  std::span<const QueueSize> max_queue_sizes() const override { return kQueueSizes; }
  Status Activate(Activation activation) override;
  Progress OnNotify(QueueIndex queue) override;
  void Reset() override;
  void ReadConfig(uint64_t offset, std::span<std::byte> out) const override;
  void WriteConfig(uint64_t offset, std::span<const std::byte> in) override;

 private:
  static constexpr std::array<QueueSize, 1> kQueueSizes{kQueueSize};
  static constexpr QueueIndex kRequestQueue{0};

  // A request under way.
  struct Pending {
    DescriptorChain chain;
    BlockRequest request;
    uint64_t done_bytes = 0;  // of a read's or write's data
  };
  // What exists while the device is active.
  struct Active {
    const GuestMemory& memory;
    DriverEvents& driver;
    Features features;
    Queue queue;
    ChainStorage storage;
    std::optional<Pending> pending;
  };
  enum class Drained { kEmpty, kAtLimit, kBreach };
  struct Outcome {
    BlockStatus status = BlockStatus::kOk;
    uint64_t written_bytes = 0;  // into the driver's data buffers
  };

  // Works until the queue is empty or `budget` is spent.
  Drained Drain(int64_t& budget);
  // Takes the next request as pending. False where there is none; an error is a breach.
  tl::expected<bool, Breach> Take();
  // Carries out the pending request, or a piece of it. Nothing where there is more to do.
  std::optional<Outcome> Step(int64_t& budget);
  std::optional<Outcome> StepTransfer(int64_t& budget);
  Outcome EndWrite(int64_t& budget);
  Outcome Flush(int64_t& budget);
  Outcome GetId();
  Outcome Invalid(BlockStatus status);
  Outcome HostFailure(const Error& error);
  void Finish(const Outcome& outcome);

  // Constant after construction.
  const std::unique_ptr<Disk> disk_;
  const std::string name_;
  const CacheType cache_type_;
  const uint64_t capacity_sectors_;
  virtio_blk_config config_{};

  BlockMetrics metrics_;
  std::unique_ptr<Active> active_;  // null while inactive
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BLOCK_BLOCK_DEVICE_H_
