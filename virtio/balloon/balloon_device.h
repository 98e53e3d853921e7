#ifndef EMBER_VIRTIO_BALLOON_BALLOON_DEVICE_H_
#define EMBER_VIRTIO_BALLOON_BALLOON_DEVICE_H_

#include <linux/virtio_balloon.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/timer.h"
#include "virtio/balloon/balloon_state.h"
#include "virtio/balloon/hinting.h"
#include "virtio/balloon/metrics.h"
#include "virtio/balloon/statistics.h"
#include "virtio/virtio_device.h"

namespace ember::virtio {

// virtio-balloon (virtio 1.2, 5.5): the driver gives up pages of RAM, and their memory goes back to
// the host at once. Pages come as numbers on the inflate queue, and, where it is told to, as free
// ranges that the driver reports whenever it has some, or hints at when it is asked to. The guest
// may use any of them again at any time and finds zeros. What pages it names is its own affair:
// those outside RAM are counted, and memory is given in whole pages of the host's.
//
// One wake-up gives back a bounded amount, and a request beyond that goes on with the next. Threads
// as VirtioDevice says; metrics() from any. The calls for clients are made under
// DeviceState::WithDevice().
class BalloonDevice final : public VirtioDevice {
 public:
  static constexpr QueueSize kQueueSize{256};
  // A wake-up ends when what it did cost this much: the bytes it gave back, and beside them
  // kCallCost for each call of the host's and kRequestCost for each request. About 2 ms.
  static constexpr int64_t kWakeUpBudgetBytes = int64_t{32} << 20;
  static constexpr int64_t kCallCostBytes = int64_t{16} << 10;
  static constexpr int64_t kRequestCostBytes = int64_t{64} << 10;
  // The most that is given back at once.
  static constexpr uint64_t kMaxStepBytes = uint64_t{8} << 20;
  // The page numbers that are looked at together.
  static constexpr size_t kMaxFramesAtOnce = 1024;
  // The entries of a buffer of statistics that are read, whatever its length.
  static constexpr size_t kMaxStatistics = 64;

  struct Options {
    uint64_t target_pages = 0;  // of kBalloonPageBytes; below 2^32
    bool deflate_on_oom = false;
    std::chrono::nanoseconds statistics_interval{0};  // 0: no statistics, for good
    bool free_page_hinting = false;
    bool free_page_reporting = false;
    // Of a snapshot; its target and interval take the place of those above.
    std::optional<BalloonState> state;
  };

  static Result<std::unique_ptr<BalloonDevice>> Create(const Options& options);
  ~BalloonDevice() override;

  const BalloonMetrics& metrics() const { return metrics_; }
  // For a snapshot; in a DeviceHold, or under DeviceState::WithDevice().
  BalloonState Save() const;

  // For clients. The errors of all are the contract's.
  //
  // How many pages the driver is to give up, and how many it says it has.
  uint32_t target_pages() const { return config_.num_pages; }
  uint32_t actual_pages() const { return config_.actual; }
  // Has the driver inflate or deflate. It must be up, and the target not exceed guest memory.
  Status SetTarget(uint64_t pages);
  // What the driver last said, where statistics are enabled.
  Result<BalloonStatistics> statistics() const;
  // Asks for statistics now and then at this interval. Whether they are enabled cannot change; the
  // interval that is set already changes nothing. The driver must be up.
  Status SetStatisticsInterval(std::chrono::nanoseconds interval);
  std::chrono::nanoseconds statistics_interval() const { return interval_; }
  // Free page hinting, where enabled: asks the driver for its free pages; lets it use them again
  // (it must be up for both); and where that stands.
  Status StartHinting(Hinting::OnStop on_stop);
  Status StopHinting();
  Result<Hinting> hinting() const;

  std::string_view name() const override { return "balloon"; }
  DeviceId id() const override { return DeviceId::kBalloon; }
  Features offered_features() const override { return offered_; }
  std::span<const QueueSize> max_queue_sizes() const override { return queue_sizes_; }
  Status Activate(Activation activation) override;
  Progress OnNotify(QueueIndex queue) override;
  void Reset() override;
  // Puts all requests back; what was done of one is done once more.
  Status ComeToRest() override;
  int host_event_fd() const override { return timer_ ? timer_->fd().get() : -1; }
  void OnHostEvents() override;
  void ReadConfig(uint64_t offset, std::span<std::byte> out) const override;
  void WriteConfig(uint64_t offset, std::span<const std::byte> in) override;

 private:
  enum class Role : uint8_t { kInflate, kDeflate, kStatistics, kHinting, kReporting };
  // A request under way: what of it is still to be looked at.
  struct Pending {
    DescriptorChain chain;
    Buffers to_read;
    Buffers to_write;
  };
  // A queue that the driver set up. A pending request on the statistics queue is the one that is
  // kept until the next statistics are wanted.
  struct Channel {
    Role role;
    QueueIndex index;
    Queue queue;
    ChainStorage storage;
    std::optional<Pending> pending;
  };
  // What exists while the device is active.
  struct Active {
    const GuestMemory& memory;
    DriverEvents& driver;
    std::vector<Channel> channels;
    bool broken = false;  // it needs a reset: no queue is touched
  };
  enum class Drained { kEmpty, kAtLimit, kBreach };
  enum class StepResult { kMore, kDone };

  BalloonDevice(const Options& options, std::optional<Timer> timer);
  static std::vector<Role> RolesOf(Features features);
  Status Restore(const BalloonState& state);

  // Null where the driver did not set it up.
  Channel* Find(QueueIndex index);
  Channel* Find(Role role);
  // Works until the queue is empty or `budget` is spent.
  Drained Drain(Channel& channel, int64_t& budget);
  // Takes the next request as pending. False where there is none; an error is a breach.
  tl::expected<bool, Breach> Take(Channel& channel);
  // Carries out the pending request, or a piece of it. balloon_requests.cc, as is what follows.
  StepResult Step(Channel& channel, int64_t& budget);
  StepResult StepInflate(Pending& pending, int64_t& budget);
  StepResult StepHinting(Pending& pending, int64_t& budget);
  StepResult StepReporting(Pending& pending, int64_t& budget);
  void TakeHintCommand(Buffers& buffers);
  void Finish(Channel& channel);

  // Gives back what lies in RAM of a run of the driver's page numbers.
  void ReleaseRun(GuestRange run, int64_t& budget);
  // Gives back the first piece of `buffers`, or a part of it, and drops it. The bytes given.
  uint64_t ReleasePiece(Buffers& buffers, int64_t& budget);

  // Reads the next buffer of statistics and keeps it, unless one is kept already.
  void TakeStatistics(Channel& channel);
  void ReadStatistics(Buffers buffers);
  // Gives the driver its buffer back, so that it comes again with new statistics.
  void RequestStatistics();
  // Shows the driver the device's command.
  void PublishHintCommand();
  void Break(QueueIndex index, Breach breach);

  // Constant after construction.
  const Features offered_;
  const std::vector<QueueSize> queue_sizes_;
  std::optional<Timer> timer_;  // where statistics are enabled

  BalloonMetrics metrics_;
  std::chrono::nanoseconds interval_;
  virtio_balloon_config config_{};
  BalloonStatistics statistics_;
  Hinting hinting_;
  std::unique_ptr<Active> active_;  // null while inactive
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BALLOON_BALLOON_DEVICE_H_
