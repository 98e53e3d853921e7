#ifndef EMBER_VIRTIO_NET_NET_DEVICE_H_
#define EMBER_VIRTIO_NET_NET_DEVICE_H_

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
#include "base/mac_address.h"
#include "base/rate_limiter.h"
#include "base/result.h"
#include "virtio/net/control_queue.h"
#include "virtio/net/metrics.h"
#include "virtio/net/net_backend.h"
#include "virtio/net/net_state.h"
#include "virtio/net/receiver.h"
#include "virtio/net/retry_timer.h"
#include "virtio/net/transmitter.h"
#include "virtio/virtio_device.h"

namespace ember::virtio {

// virtio-net (virtio 1.2, 5.1) over a NetBackend: a receive and a transmit queue for each pair, and
// with several pairs a control queue. A turn of a queue is bounded; what is left waits for the next
// one, what cannot go on (no buffers, a full host, a limiter) waits for its cause and costs nothing
// meanwhile. When the back end's link goes down the driver is told, its frames are dropped, and the
// machine goes on. Threads as VirtioDevice says; metrics() from any.
class NetDevice final : public VirtioDevice {
 public:
  static constexpr QueueSize kQueueSize{256};
  static constexpr QueueSize kControlQueueSize{64};
  static constexpr uint16_t kMaxQueuePairs = 16;

  struct Options {
    std::string interface_id;
    std::optional<MacAddress> address;  // none: the driver makes up its own
    std::optional<uint16_t> mtu;        // to advise the driver of
    RateLimiterOptions receive_limits;
    RateLimiterOptions transmit_limits;
    const Clock* clock = &MonotonicClock();  // of the limiters; outlives the device
    std::optional<NetState> state;           // of a snapshot
  };

  // The back end has at most kMaxQueuePairs.
  static Result<std::unique_ptr<NetDevice>> Create(std::unique_ptr<NetBackend> backend,
                                                   const Options& options);
  ~NetDevice() override;

  const NetMetrics& metrics() const { return metrics_; }
  // For a snapshot; in a DeviceHold, or under DeviceState::WithDevice().
  NetState Save() const;
  // Buckets that are given take the place of those there are. In DeviceState::WithDevice().
  void UpdateLimits(const RateLimiterOptions& receive, const RateLimiterOptions& transmit);

  std::string_view name() const override { return name_; }
  DeviceId id() const override { return DeviceId::kNet; }
  Features offered_features() const override { return offered_; }
  std::span<const QueueSize> max_queue_sizes() const override { return queue_sizes_; }
  Status Activate(Activation activation) override;
  Progress OnNotify(QueueIndex queue) override;
  void Reset() override;
  // Frames that wait to be sent stay in their rings; one that waits to be received stays here, and
  // is in no snapshot.
  Status ComeToRest() override;
  // Has the back end use the driver's pairs, and tells the driver if its link is up again.
  Status OnRestored() override;
  int host_event_fd() const override { return events_.fd().get(); }
  void OnHostEvents() override;
  void ReadConfig(uint64_t offset, std::span<std::byte> out) const override;
  void WriteConfig(uint64_t offset, std::span<const std::byte> in) override;

 private:
  // The queues of a pair and what they wait for of the back end's descriptor.
  struct Pair {
    Pair(QueuePair number, const Traffic& receive, Queue receive_queue, const Traffic& transmit,
         Queue transmit_queue, std::optional<MacAddress> address);

    const QueuePair number;
    Receiver receiver;
    Transmitter transmitter;
    bool awaits_frames = false;
    bool awaits_room = false;
    bool receive_throttled = false;
    bool transmit_throttled = false;
    std::optional<EventSet::Interest> watched;  // none: the descriptor is not in the set
  };
  // What exists while the device is active.
  struct Active {
    DriverEvents& driver;
    std::vector<std::unique_ptr<Pair>> pairs;  // null where the driver did not set both queues up
    std::optional<ControlQueue> control;
    uint16_t used_pairs = 1;
    bool broken = false;  // after a breach: nothing is touched until Reset()
  };
  struct HostSide {
    EventSet events;
    Timer receive_timer;
    Timer transmit_timer;
  };

  NetDevice(std::unique_ptr<NetBackend> backend, const Options& options, HostSide host_side);

  Traffic MakeTraffic(const Activation& activation, RateLimiter& limiter);
  QueueIndex ControlIndex(Features negotiated) const;
  // The pair if it is in use and set up, or null.
  Pair* UsedPair(size_t number);
  bool UsePairs(uint16_t count);
  Progress Control();
  void Receive(Pair& pair);
  void Transmit(Pair& pair);
  // Looks again when the back end will have an answer of its own.
  void AwaitAnswer(const Pair& pair);
  void OnPairEvent(Pair& pair, const EventSet::Event& event);
  // The timers' ends: everything that waits is tried.
  void ReceiveAll();
  void TransmitAll();
  // Brings what is waited for in line with what the pair awaits.
  void Watch(Pair& pair);
  void Unwatch(Pair& pair);
  void NoticeLink();
  void Break();
  void StopWaiting();

  // Constant after construction.
  const std::unique_ptr<NetBackend> backend_;
  const std::string name_;
  const std::optional<MacAddress> address_;
  const Clock& clock_;
  const Features offered_;
  const std::vector<QueueSize> queue_sizes_;
  const NetState restored_;  // a new driver's, where there is no snapshot

  NetMetrics metrics_;
  virtio_net_config config_{};
  RateLimiter receive_limiter_;
  RateLimiter transmit_limiter_;
  EventSet events_;
  RetryTimer receive_retry_;
  RetryTimer transmit_retry_;
  std::unique_ptr<Active> active_;  // null while inactive
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_NET_NET_DEVICE_H_
