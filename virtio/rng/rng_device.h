#ifndef EMBER_VIRTIO_RNG_RNG_DEVICE_H_
#define EMBER_VIRTIO_RNG_RNG_DEVICE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/clock.h"
#include "base/rate_limiter.h"
#include "base/timer.h"
#include "virtio/rng/entropy_source.h"
#include "virtio/rng/metrics.h"
#include "virtio/virtio_device.h"

namespace ember::virtio {

// virtio-rng (virtio 1.2, 5.4): fills the buffers of one queue with random bytes, in their order
// and within the limits of its rate. Threads as VirtioDevice says; metrics() from any.
//
// A request gets kMaxRequestBytes at most, and the used length says how many. One that the host
// fails, and one that no device could serve (nothing to write to, or something to read) comes back
// with a length of 0.
class RngDevice final : public VirtioDevice {
 public:
  static constexpr QueueSize kQueueSize{256};
  static constexpr uint64_t kMaxRequestBytes = uint64_t{64} << 10;
  // A wake-up ends when the requests it did cost this much: their bytes and kRequestCost each. The
  // host makes about 400 MB/s, so it lasts below a millisecond.
  static constexpr int64_t kWakeUpBudgetBytes = int64_t{256} << 10;
  static constexpr int64_t kRequestCostBytes = int64_t{1} << 10;

  struct Options {
    // Bytes as they are given out, and requests.
    RateLimiterOptions rate_limiter;
    const Clock& clock = MonotonicClock();  // outlives the device
  };

  static Result<std::unique_ptr<RngDevice>> Create(std::unique_ptr<EntropySource> source,
                                                   const Options& options);
  ~RngDevice() override;

  const RngMetrics& metrics() const { return metrics_; }

  std::string_view name() const override { return "entropy"; }
  DeviceId id() const override { return DeviceId::kRng; }
  Features offered_features() const override { return {}; }
  std::span<const QueueSize> max_queue_sizes() const override { return kQueueSizes; }
  Status Activate(Activation activation) override;
  Progress OnNotify(QueueIndex queue) override;
  void Reset() override;
  // A request that waits for its rate goes back.
  Status ComeToRest() override;
  // The end of a wait for the rate limiter.
  int host_event_fd() const override { return retry_.fd().get(); }
  void OnHostEvents() override;

 private:
  static constexpr std::array<QueueSize, 1> kQueueSizes{kQueueSize};
  static constexpr QueueIndex kRequestQueue{0};

  // What exists while the device is active.
  struct Active {
    const GuestMemory& memory;
    DriverEvents& driver;
    Queue queue;
    ChainStorage storage;
    std::optional<DescriptorChain> throttled;  // waits for retry_, and all behind it with it
    bool broken = false;                       // after DriverEvents::NeedsReset()
  };
  enum class Drained { kEmpty, kAtLimit, kThrottled, kBreach };

  RngDevice(std::unique_ptr<EntropySource> source, const Options& options, Timer retry);

  Progress Work();
  // Works until the queue is empty, the next request has to wait, or `budget` is spent.
  Drained Drain(int64_t& budget);
  // Gives the chain back, filled. False where it has to wait: then it is kept.
  bool Serve(DescriptorChain chain, int64_t& budget);
  // The number of bytes put into the chain.
  uint64_t Fill(const DescriptorChain& chain, uint64_t bytes);

  // Constant after construction.
  const std::unique_ptr<EntropySource> source_;
  const Clock& clock_;

  RngMetrics metrics_;
  // The device's and not the driver's: a reset gives no new tokens.
  RateLimiter limiter_;
  Timer retry_;
  std::unique_ptr<Active> active_;  // null while inactive
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_RNG_RNG_DEVICE_H_
