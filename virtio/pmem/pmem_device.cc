#include "virtio/pmem/pmem_device.h"

#include <utility>

#include "base/concat.h"
#include "base/endian.h"
#include "base/log.h"
#include "virtio/config_space.h"

namespace ember::virtio {
namespace {

// virtio 1.2, 5.19.6: the answer's ret.
constexpr uint32_t kSuccess = 0;
constexpr uint32_t kFailure = 0xffffffff;  // -1

// A driver's available index may move and move back: one wake-up looks at it this often.
constexpr int kMaxLooks = 4;

}  // namespace

Result<std::unique_ptr<PmemDevice>> PmemDevice::Create(std::unique_ptr<PmemStore> store,
                                                       const Options& options) {
  Timer retry = TRY(Timer::Create());
  EventSet events = TRY(EventSet::Create());
  TRY(events.Add(retry.fd().get(), EventSet::Interest::kReadable,
                 static_cast<uint64_t>(Token::kRetry)));
  std::unique_ptr<FlushWorker> worker;
  if (store->access() == Access::kReadWrite) {
    worker = TRY(FlushWorker::Start(*store));
    TRY(events.Add(worker->done_fd().get(), EventSet::Interest::kReadable,
                   static_cast<uint64_t>(Token::kFlushed)));
  }
  return std::unique_ptr<PmemDevice>(new PmemDevice(std::move(store), std::move(worker), options,
                                                    std::move(retry), std::move(events)));
}

PmemDevice::PmemDevice(std::unique_ptr<PmemStore> store, std::unique_ptr<FlushWorker> worker,
                       const Options& options, Timer retry, EventSet events)
    : store_(std::move(store)),
      name_(Concat("pmem ", options.id)),
      clock_(options.clock),
      limiter_(options.rate_limiter, options.clock.Now()),
      retry_(std::move(retry)),
      worker_(std::move(worker)),
      events_(std::move(events)) {
  config_.start = options.start;
  config_.size = store_->size_bytes();
}

PmemDevice::~PmemDevice() {
  if (active_ != nullptr) PmemDevice::Reset();
}

Status PmemDevice::Activate(Activation activation) {
  std::optional<Queue>& queue = activation.queues[ToInteger(kRequestQueue)];
  if (!queue) {
    metrics_.activate_fails.Add();
    return Error("the driver did not set up the request queue");
  }
  const QueueSize size = queue->size();
  std::vector<ChainStorage> storages;
  storages.reserve(ToInteger(size));
  for (uint16_t i = 0; i < ToInteger(size); ++i) storages.emplace_back(size);
  std::vector<Request> batch;
  batch.reserve(ToInteger(size));
  active_.reset(new Active{.driver = activation.driver,
                           .queue = *std::move(queue),
                           .storages = std::move(storages),
                           .batch = std::move(batch)});
  return {};
}

void PmemDevice::Reset() {
  retry_.Disarm();
  for (Request& request : active_->batch) std::move(request.chain).Abandon();
  active_.reset();
}

Status PmemDevice::ComeToRest() {
  retry_.Disarm();
  if (worker_ != nullptr && worker_->busy()) {
    const Status outcome = worker_->WaitForOutcome();
    if (active_->waiting == Waiting::kFlush) Finish(outcome);
  }
  active_->waiting = Waiting::kNothing;
  // The last one that was taken first.
  for (std::vector<Request>& batch = active_->batch; !batch.empty(); batch.pop_back()) {
    active_->queue.PutBack(std::move(batch.back().chain));
  }
  if (worker_ == nullptr) return {};
  worker_->Begin();
  return worker_->WaitForOutcome();
}

Progress PmemDevice::OnNotify(QueueIndex /*queue*/) {
  metrics_.queue_event_count.Add();
  if (active_->waiting != Waiting::kNothing) return Progress::kDone;  // its end looks again
  return Work();
}

Progress PmemDevice::Work() {
  Queue& queue = active_->queue;
  for (int look = 0; look < kMaxLooks; ++look) {
    queue.DisableNotifications();
    if (!Collect()) return Progress::kDone;
    if (!active_->batch.empty()) {
      TryFlush();
      if (active_->waiting != Waiting::kNothing) return Progress::kDone;
    }
    if (!queue.EnableNotifications()) return Progress::kDone;
  }
  return Progress::kMore;
}

bool PmemDevice::Collect() {
  std::vector<Request>& batch = active_->batch;
  while (batch.size() < active_->storages.size()) {
    Queue::PopResult popped = active_->queue.Pop(active_->storages[batch.size()]);
    if (popped && !*popped) return true;
    std::optional<Breach> breach;
    if (popped) {
      tl::expected<Request, Breach> request = Parse(**std::move(popped));
      if (request) {
        batch.push_back(*std::move(request));
        continue;
      }
      breach = request.error();
    } else {
      breach = popped.error();
    }
    metrics_.event_fails.Add();
    active_->broken = true;
    active_->driver.NeedsReset(kRequestQueue, *breach);
    return false;
  }
  return true;
}

tl::expected<PmemDevice::Request, Breach> PmemDevice::Parse(DescriptorChain chain) {
  Buffers request = chain.readable();
  const Buffers answer = chain.writable();
  std::array<std::byte, sizeof(virtio_pmem_req)> header;
  const bool has_header = request.TakeFront(header);
  if (!has_header || answer.size_bytes() < sizeof(virtio_pmem_resp)) {
    std::move(chain).Abandon();
    return tl::unexpected(has_header ? Breach::kRequestNoStatusByte
                                     : Breach::kRequestHeaderTooShort);
  }
  const bool is_flush = LoadLe<uint32_t>(header) == VIRTIO_PMEM_REQ_TYPE_FLUSH;
  return Request{.chain = std::move(chain), .answer = answer, .is_flush = is_flush};
}

void PmemDevice::TryFlush() {
  if (worker_ == nullptr) return Finish({});
  if (worker_->busy()) {
    active_->waiting = Waiting::kWorker;
    return;
  }
  const std::chrono::nanoseconds now = clock_.Now();
  if (!limiter_.Consume(store_->kept_bytes(), now)) {
    metrics_.rate_limiter_throttled_events.Add();
    retry_.Arm(limiter_.TimeUntilReady(store_->kept_bytes(), now));
    active_->waiting = Waiting::kTokens;
    return;
  }
  worker_->Begin();
  active_->waiting = Waiting::kFlush;
}

void PmemDevice::Finish(const Status& outcome) {
  active_->waiting = Waiting::kNothing;
  if (!outcome) {
    metrics_.event_fails.Add();
    EMBER_LOG_LIMITED(kError, name_, ": ", outcome.error().message());
  }
  for (Request& request : active_->batch) {
    if (!request.is_flush) metrics_.event_fails.Add();
    std::array<std::byte, sizeof(virtio_pmem_resp)> answer;
    StoreLe<uint32_t>(outcome && request.is_flush ? kSuccess : kFailure, answer);
    const bool has_room = request.answer.PutFront(answer);
    active_->queue.Complete(std::move(request.chain), has_room ? answer.size() : 0);
  }
  active_->batch.clear();
  if (active_->queue.Publish()) active_->driver.UsedBuffers(kRequestQueue);
}

void PmemDevice::OnHostEvents() {
  std::array<EventSet::Event, 2> room;
  for (const EventSet::Event& event : events_.Poll(room)) {
    if (static_cast<Token>(event.token) == Token::kRetry) {
      OnRetry();
    } else {
      OnFlushed();
    }
  }
}

void PmemDevice::OnRetry() {
  retry_.Disarm();
  if (active_ == nullptr || active_->broken) return;
  if (active_->waiting == Waiting::kTokens) {
    metrics_.rate_limiter_event_count.Add();
    return TryFlush();
  }
  if (active_->waiting != Waiting::kNothing) return;
  if (Work() == Progress::kMore) retry_.Arm(std::chrono::nanoseconds::zero());
}

void PmemDevice::OnFlushed() {
  const std::optional<Status> outcome = worker_->TakeOutcome();
  if (!outcome || active_ == nullptr || active_->broken) return;
  if (active_->waiting == Waiting::kWorker) return TryFlush();  // that flush was another driver's
  if (active_->waiting != Waiting::kFlush) return;
  Finish(*outcome);
  if (Work() == Progress::kMore) retry_.Arm(std::chrono::nanoseconds::zero());
}

void PmemDevice::UpdateRateLimiter(const RateLimiterOptions& options) {
  limiter_.Update(options, clock_.Now());
  // What waits under the old limits goes on under the new ones.
  if (active_ != nullptr && active_->waiting == Waiting::kTokens) {
    retry_.Arm(limiter_.TimeUntilReady(store_->kept_bytes(), clock_.Now()));
  }
}

void PmemDevice::ReadConfig(uint64_t offset, std::span<std::byte> out) const {
  ReadConfigSpace(std::as_bytes(std::span(&config_, 1)), offset, out);
}

void PmemDevice::WriteConfig(uint64_t /*offset*/, std::span<const std::byte> /*in*/) {
  metrics_.cfg_fails.Add();
}

}  // namespace ember::virtio
