#ifndef EMBER_VIRTIO_PMEM_PMEM_DEVICE_H_
#define EMBER_VIRTIO_PMEM_PMEM_DEVICE_H_

#include <linux/virtio_pmem.h>

#include <array>
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
#include "base/result.h"
#include "base/timer.h"
#include "virtio/pmem/flush_worker.h"
#include "virtio/pmem/metrics.h"
#include "virtio/pmem/pmem_store.h"
#include "virtio/virtio_device.h"

namespace ember::virtio {

// virtio-pmem (virtio 1.2, 5.19): tells the driver where persistent memory is, and makes durable
// what it wrote there. The memory itself is the machine's to show to the guest.
//
// Flushes are carried out by a FlushWorker, so no thread of the device's waits for the host's disk.
// All requests that are there when a flush begins share it; those that come while it lasts wait for
// the next one, since it may not cover what they are about. A reset does not wait for a flush: it
// touches nothing of the guest's. Threads as VirtioDevice says; metrics() from any.
class PmemDevice final : public VirtioDevice {
 public:
  static constexpr QueueSize kQueueSize{64};

  struct Options {
    std::string id;
    uint64_t start = 0;  // where the guest finds the memory; a multiple of 2 MiB
    // A flush is one operation of as many bytes as the store keeps, however many requests share it.
    RateLimiterOptions rate_limiter;
    const Clock& clock = MonotonicClock();  // outlives the device
  };

  static Result<std::unique_ptr<PmemDevice>> Create(std::unique_ptr<PmemStore> store,
                                                    const Options& options);
  // Waits for a flush under way.
  ~PmemDevice() override;

  const PmemMetrics& metrics() const { return metrics_; }
  // For clients, under DeviceState::WithDevice().
  void UpdateRateLimiter(const RateLimiterOptions& options);

  std::string_view name() const override { return name_; }
  DeviceId id() const override { return DeviceId::kPmem; }
  Features offered_features() const override { return {}; }
  std::span<const QueueSize> max_queue_sizes() const override { return kQueueSizes; }
  Status Activate(Activation activation) override;
  Progress OnNotify(QueueIndex queue) override;
  void Reset() override;
  // Answers what a flush under way is for, puts the rest back, and makes the store durable.
  Status ComeToRest() override;
  // The end of a flush, or of a wait for the rate limiter.
  int host_event_fd() const override { return events_.fd().get(); }
  void OnHostEvents() override;
  void ReadConfig(uint64_t offset, std::span<std::byte> out) const override;
  void WriteConfig(uint64_t offset, std::span<const std::byte> in) override;

 private:
  static constexpr std::array<QueueSize, 1> kQueueSizes{kQueueSize};
  static constexpr QueueIndex kRequestQueue{0};

  // A request that waits for the flush.
  struct Request {
    DescriptorChain chain;
    Buffers answer;
    bool is_flush;
  };
  // What the requests of a batch wait for.
  enum class Waiting : uint8_t { kNothing, kTokens, kWorker, kFlush };
  // What exists while the device is active.
  struct Active {
    DriverEvents& driver;
    Queue queue;
    std::vector<ChainStorage> storages;  // as many as the batch may have requests
    std::vector<Request> batch;
    Waiting waiting = Waiting::kNothing;
    bool broken = false;  // it needs a reset: no ring is touched
  };
  enum class Token : uint64_t { kRetry, kFlushed };

  PmemDevice(std::unique_ptr<PmemStore> store, std::unique_ptr<FlushWorker> worker,
             const Options& options, Timer retry, EventSet events);

  // Takes all requests there are, and begins their flush. kMore after a bounded number of looks.
  Progress Work();
  // Fills the batch. False after a breach.
  bool Collect();
  tl::expected<Request, Breach> Parse(DescriptorChain chain);
  // Flushes for the batch, now or as soon as worker and rate limiter let it.
  void TryFlush();
  // Answers the batch.
  void Finish(const Status& outcome);
  void OnRetry();
  void OnFlushed();

  // Constant after construction.
  const std::unique_ptr<PmemStore> store_;
  const std::string name_;
  const Clock& clock_;
  virtio_pmem_config config_{};

  PmemMetrics metrics_;
  RateLimiter limiter_;  // the device's and not the driver's: a reset gives no new tokens
  Timer retry_;
  std::unique_ptr<FlushWorker> worker_;  // null where nothing can be written
  EventSet events_;                      // retry_ and worker_
  std::unique_ptr<Active> active_;       // null while inactive
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_PMEM_PMEM_DEVICE_H_
