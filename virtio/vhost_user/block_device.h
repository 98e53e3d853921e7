#ifndef EMBER_VIRTIO_VHOST_USER_BLOCK_DEVICE_H_
#define EMBER_VIRTIO_VHOST_USER_BLOCK_DEVICE_H_

#include <linux/virtio_blk.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/event_set.h"
#include "base/fd.h"
#include "virtio/block/block_device.h"
#include "virtio/vhost_user/back_end.h"
#include "virtio/vhost_user/metrics.h"
#include "virtio/virtio_device.h"

namespace ember::virtio::vhost_user {

// virtio-blk whose requests another process carries out, on the queues in guest memory: this is
// what the driver negotiates with, and the way of the back end's interrupts. Guest memory must be
// backed by a memfd.
//
// The back end is trusted with guest memory, and with nothing else: whatever it answers, or if it
// does not, no call here waits longer than Options::timeout. A back end that breaks the protocol or
// goes away is dropped, and the driver told that it must reset the device; when it is ready again,
// the device connects anew. Threads as VirtioDevice says; metrics() from any.
//
// Reset() has the back end stop each queue first. Of one that has gone, or does not answer, nobody
// can say when it last touched guest memory.
class BlockDevice final : public VirtioDevice {
 public:
  static constexpr QueueSize kQueueSize{256};
  static constexpr size_t kMaxQueues = 16;

  struct Options {
    std::string drive_id;
    std::string socket_path;
    CacheType cache_type = CacheType::kUnsafe;
    uint32_t queue_count = 1;  // at most kMaxQueues; fewer where the back end serves fewer
    // For all of one activation, reset or question.
    std::chrono::milliseconds timeout{1000};
  };

  // Connects to the back end and asks what it is. Errors name the socket.
  static Result<std::unique_ptr<BlockDevice>> Create(const Options& options);
  ~BlockDevice() override;

  const BlockMetrics& metrics() const { return metrics_; }
  // Asks the back end for its configuration again. True where it has changed: the caller then lets
  // the driver know (DeviceState::ConfigChanged). An error leaves it as it was.
  Result<bool> RefreshConfig();

  std::string_view name() const override { return name_; }
  DeviceId id() const override { return DeviceId::kBlock; }
  Features offered_features() const override { return offered_; }
  Features queue_features() const override { return queue_features_; }
  bool serves_queues_elsewhere() const override { return true; }
  std::span<const QueueSize> max_queue_sizes() const override { return queue_sizes_; }
  Status Activate(Activation activation) override;
  Progress OnNotify(QueueIndex /*queue*/) override { return Progress::kDone; }
  void Reset() override;
  Status ComeToRest() override {
    return Error("what its vhost-user back end knows cannot be part of a snapshot");
  }
  int host_event_fd() const override { return events_.fd().get(); }
  void OnHostEvents() override;
  void ReadConfig(uint64_t offset, std::span<std::byte> out) const override;
  void WriteConfig(uint64_t offset, std::span<const std::byte> in) override;

 private:
  // Of virtio_blk_config, up to what the write-zeroes feature brings: what back ends of all ages
  // know.
  static constexpr size_t kConfigBytes = 60;
  using ConfigBytes = std::array<std::byte, kConfigBytes>;

  BlockDevice(const Options& options, EventSet events, std::vector<Fd> calls);

  Deadline NewDeadline() const { return Deadline(options_.timeout); }
  // Connects, and takes over what the back end is where this is the first time.
  Status Connect(const Deadline& deadline);
  Status TakeOver(BackEnd& back_end, const Deadline& deadline);
  Result<ConfigBytes> AskConfig(BackEnd& back_end, const Deadline& deadline);
  Status Start(const Activation& activation, const Deadline& deadline);
  // The connection is of no more use. Tells the driver, if there is one.
  void Drop(const Error& error);
  // What the back end has interrupted for so far is not this activation's.
  void DrainCalls();

  // Constant after construction, or after the first Connect().
  const Options options_;
  const std::string name_;
  Features offered_;
  Features queue_features_;
  std::vector<QueueSize> queue_sizes_;

  BlockMetrics metrics_;
  EventSet events_;
  const std::vector<Fd> calls_;      // one a queue, all in events_
  std::optional<BackEnd> back_end_;  // in events_; nothing once it was dropped
  ConfigBytes config_{};
  DriverEvents* driver_ = nullptr;   // while active
  std::vector<QueueIndex> started_;  // while active
};

}  // namespace ember::virtio::vhost_user

#endif  // EMBER_VIRTIO_VHOST_USER_BLOCK_DEVICE_H_
