#include "virtio/rng/rng_device.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace ember::virtio {

Result<std::unique_ptr<RngDevice>> RngDevice::Create(std::unique_ptr<EntropySource> source,
                                                     const Options& options) {
  Timer retry = TRY(Timer::Create());
  return std::unique_ptr<RngDevice>(new RngDevice(std::move(source), options, std::move(retry)));
}

RngDevice::RngDevice(std::unique_ptr<EntropySource> source, const Options& options, Timer retry)
    : source_(std::move(source)),
      clock_(options.clock),
      limiter_(options.rate_limiter, options.clock.Now()),
      retry_(std::move(retry)) {}

RngDevice::~RngDevice() {
  if (active_ != nullptr) RngDevice::Reset();
}

Status RngDevice::Activate(Activation activation) {
  std::optional<Queue>& queue = activation.queues[ToInteger(kRequestQueue)];
  if (!queue) {
    metrics_.activate_fails.Add();
    return Error("the driver did not set up the request queue");
  }
  const QueueSize size = queue->size();
  active_.reset(new Active{.memory = activation.memory,
                           .driver = activation.driver,
                           .queue = *std::move(queue),
                           .storage = ChainStorage(size),
                           .throttled = std::nullopt});
  return {};
}

void RngDevice::Reset() {
  retry_.Disarm();
  if (active_->throttled) std::move(*active_->throttled).Abandon();
  active_.reset();
}

Status RngDevice::ComeToRest() {
  retry_.Disarm();
  if (active_->throttled) {
    active_->queue.PutBack(*std::exchange(active_->throttled, std::nullopt));
  }
  return {};
}

Progress RngDevice::OnNotify(QueueIndex /*queue*/) {
  metrics_.entropy_event_count.Add();
  // The end of the wait goes on with all there is.
  if (active_->throttled) return Progress::kDone;
  return Work();
}

void RngDevice::OnHostEvents() {
  retry_.Disarm();
  if (active_ == nullptr || active_->broken) return;
  if (active_->throttled) metrics_.rate_limiter_event_count.Add();
  if (Work() == Progress::kMore) retry_.Arm(std::chrono::nanoseconds::zero());
}

Progress RngDevice::Work() {
  Queue& queue = active_->queue;
  int64_t budget = kWakeUpBudgetBytes;
  for (;;) {
    queue.DisableNotifications();
    const Drained drained = Drain(budget);
    if (queue.Publish()) active_->driver.UsedBuffers(kRequestQueue);
    if (drained == Drained::kAtLimit) return Progress::kMore;
    if (drained != Drained::kEmpty) return Progress::kDone;
    if (!queue.EnableNotifications()) return Progress::kDone;
    // The index moved and may move back: that must not go on for ever.
    budget -= kRequestCostBytes;
  }
}

RngDevice::Drained RngDevice::Drain(int64_t& budget) {
  while (budget > 0) {
    if (active_->throttled) {
      DescriptorChain chain = *std::exchange(active_->throttled, std::nullopt);
      if (!Serve(std::move(chain), budget)) return Drained::kThrottled;
      continue;
    }
    Queue::PopResult popped = active_->queue.Pop(active_->storage);
    if (!popped) {
      metrics_.entropy_event_fails.Add();
      active_->broken = true;
      active_->driver.NeedsReset(kRequestQueue, popped.error());
      return Drained::kBreach;
    }
    if (!*popped) return Drained::kEmpty;
    if (!Serve(**std::move(popped), budget)) return Drained::kThrottled;
  }
  return Drained::kAtLimit;
}

bool RngDevice::Serve(DescriptorChain chain, int64_t& budget) {
  uint64_t bytes = 0;
  if (chain.readable_bytes() == 0) bytes = std::min(chain.writable_bytes(), kMaxRequestBytes);
  const std::chrono::nanoseconds now = clock_.Now();
  if (bytes > 0 && !limiter_.Consume(bytes, now)) {
    metrics_.entropy_rate_limiter_throttled.Add();
    retry_.Arm(limiter_.TimeUntilReady(bytes, now));
    active_->throttled.emplace(std::move(chain));
    return false;
  }
  const uint64_t written = Fill(chain, bytes);
  if (written == 0) metrics_.entropy_event_fails.Add();
  metrics_.entropy_bytes.Add(written);
  budget -= kRequestCostBytes + static_cast<int64_t>(bytes);
  active_->queue.Complete(std::move(chain), written);
  return true;
}

uint64_t RngDevice::Fill(const DescriptorChain& chain, uint64_t bytes) {
  uint64_t left = bytes;
  const Buffers buffers = chain.writable();
  for (const iovec& piece : buffers.pieces()) {
    if (left == 0) break;
    const size_t count = std::min<uint64_t>(left, piece.iov_len);
    const Status filled = source_->Fill({static_cast<std::byte*>(piece.iov_base), count});
    if (!filled) {
      metrics_.host_rng_fails.Add();
      EMBER_LOG_LIMITED(kError, "entropy: ", filled.error().message());
      chain.MarkWritten(active_->memory, 0, bytes);
      return 0;
    }
    left -= count;
  }
  return bytes;
}

}  // namespace ember::virtio
