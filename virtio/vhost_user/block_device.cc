#include "virtio/vhost_user/block_device.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/concat.h"
#include "base/endian.h"
#include "base/log.h"
#include "virtio/config_space.h"

namespace ember::virtio::vhost_user {
namespace {

// What can be offered to a driver where the back end can do it.
constexpr Features kBlockFeatures{
    VIRTIO_BLK_F_SIZE_MAX, VIRTIO_BLK_F_SEG_MAX, VIRTIO_BLK_F_RO,          VIRTIO_BLK_F_BLK_SIZE,
    VIRTIO_BLK_F_TOPOLOGY, VIRTIO_BLK_F_DISCARD, VIRTIO_BLK_F_WRITE_ZEROES};

// The connection's name in the EventSet; the queues' are their numbers.
constexpr uint64_t kBackEndToken = BlockDevice::kMaxQueues;

Features Intersection(Features a, Features b) { return Features::FromBits(a.bits() & b.bits()); }

// Counts how long it lived.
class Stopwatch {
 public:
  explicit Stopwatch(Gauge& gauge) : gauge_(gauge) {}
  ~Stopwatch() {
    const auto elapsed = MonotonicClock().Now() - start_;
    gauge_.Set(static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(elapsed).count()));
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  Gauge& gauge_;
  const std::chrono::nanoseconds start_ = MonotonicClock().Now();
};

// Takes the count from an eventfd. False where there was none.
bool TakeEvents(const Fd& eventfd) {
  uint64_t count = 0;
  return ::read(eventfd.get(), &count, sizeof(count)) == sizeof(count);
}

}  // namespace

Result<std::unique_ptr<BlockDevice>> BlockDevice::Create(const Options& options) {
  EventSet events = TRY(EventSet::Create());
  std::vector<Fd> calls;
  for (size_t i = 0; i < std::clamp<size_t>(options.queue_count, 1, kMaxQueues); ++i) {
    calls.push_back(TRY(CreateEventFd()));
    TRY(events.Add(calls.back().get(), EventSet::Interest::kReadable, i));
  }
  std::unique_ptr<BlockDevice> device(
      new BlockDevice(options, std::move(events), std::move(calls)));
  TRY_CONTEXT(device->Connect(device->NewDeadline()),
              Concat("vhost-user socket ", options.socket_path));
  return device;
}

BlockDevice::BlockDevice(const Options& options, EventSet events, std::vector<Fd> calls)
    : options_(options),
      name_(Concat("vhost-user block ", options.drive_id)),
      events_(std::move(events)),
      calls_(std::move(calls)) {}

BlockDevice::~BlockDevice() {
  if (driver_ != nullptr) BlockDevice::Reset();
}

Status BlockDevice::Connect(const Deadline& deadline) {
  const Stopwatch stopwatch(metrics_.init_time_us);
  BackEnd back_end = TRY(BackEnd::Connect(options_.socket_path, deadline));
  TRY(TakeOver(back_end, deadline));
  TRY(events_.Add(back_end.fd().get(), EventSet::Interest::kReadable, kBackEndToken));
  back_end_.emplace(std::move(back_end));
  return {};
}

// The back end that comes after one that went away must be able to do what the driver was told.
Status BlockDevice::TakeOver(BackEnd& back_end, const Deadline& deadline) {
  const ConfigBytes config = TRY(AskConfig(back_end, deadline));
  Features offered = Intersection(kBlockFeatures, back_end.features());
  const Features flush = Intersection({VIRTIO_BLK_F_FLUSH}, back_end.features());
  if (options_.cache_type == CacheType::kWriteback) offered = offered | flush;
  const auto queues = static_cast<size_t>(std::min<uint64_t>(calls_.size(), back_end.max_queues()));
  const bool multi_queue = queues > 1 && back_end.features().Has(VIRTIO_BLK_F_MQ);
  if (multi_queue) offered = offered | Features{VIRTIO_BLK_F_MQ};
  const Features queue_features = Intersection(kCommonFeatures, back_end.features());
  if (queue_sizes_.empty()) {
    offered_ = offered;
    queue_features_ = queue_features;
    queue_sizes_.assign(multi_queue ? queues : 1, kQueueSize);
  } else if (!offered_.IsSubsetOf(offered) || !queue_features_.IsSubsetOf(queue_features)) {
    return Error(Concat("the back end offers the features ", Hex{back_end.features().bits()},
                        ", fewer than the one before it"));
  }
  config_ = config;
  StoreLe(static_cast<uint16_t>(queue_sizes_.size()),
          std::span(config_).subspan(offsetof(virtio_blk_config, num_queues)));
  return {};
}

Result<BlockDevice::ConfigBytes> BlockDevice::AskConfig(BackEnd& back_end,
                                                        const Deadline& deadline) {
  static_assert(kConfigBytes <= sizeof(virtio_blk_config));
  static_assert(offsetof(virtio_blk_config, write_zeroes_may_unmap) < kConfigBytes);
  ConfigBytes config;
  TRY(back_end.ReadConfig(config, deadline));
  return config;
}

Result<bool> BlockDevice::RefreshConfig() {
  const Stopwatch stopwatch(metrics_.config_change_time_us);
  if (!back_end_) {
    metrics_.cfg_fails.Add();
    return Error(Concat(name_, " has no back end: it went away"));
  }
  Result<ConfigBytes> config = AskConfig(*back_end_, NewDeadline());
  if (!config) {
    metrics_.cfg_fails.Add();
    Drop(config.error());
    return tl::unexpected(std::move(config).error());
  }
  constexpr size_t kNumQueues = offsetof(virtio_blk_config, num_queues);
  std::copy_n(config_.begin() + kNumQueues, sizeof(uint16_t), config->begin() + kNumQueues);
  return std::exchange(config_, *config) != *config;
}

Status BlockDevice::Activate(Activation activation) {
  const Stopwatch stopwatch(metrics_.activate_time_us);
  const Deadline deadline = NewDeadline();
  Status started;
  if (!back_end_) started = Connect(deadline);
  if (started) started = Start(activation, deadline);
  if (started) {
    driver_ = &activation.driver;
    return {};
  }
  metrics_.activate_fails.Add();
  if (back_end_) Drop(started.error());
  started_.clear();
  return started;
}

Status BlockDevice::Start(const Activation& activation, const Deadline& deadline) {
  DrainCalls();
  started_.clear();
  TRY(back_end_->SetFeatures(activation.features, deadline));
  TRY(back_end_->ShareMemory(activation.memory, deadline));
  for (size_t i = 0; i < activation.queues.size(); ++i) {
    const std::optional<Queue>& queue = activation.queues[i];
    if (!queue) continue;
    const QueueIndex index{static_cast<uint16_t>(i)};
    TRY(back_end_->StartVring({.index = index,
                               .config = queue->config(),
                               .rings = queue->rings(),
                               .kick = activation.notify_fds[i],
                               .call = calls_[i]},
                              deadline));
    started_.push_back(index);
  }
  if (started_.empty()) return Error("the driver did not set up any queue");
  return {};
}

void BlockDevice::Reset() {
  driver_ = nullptr;
  const Deadline deadline = NewDeadline();
  for (const QueueIndex index : started_) {
    if (!back_end_) break;
    if (const Status stopped = back_end_->StopVring(index, deadline); !stopped) {
      Drop(stopped.error());
    }
  }
  started_.clear();
  DrainCalls();
}

void BlockDevice::Drop(const Error& error) {
  EMBER_LOG_LIMITED(kError, name_, ": ", error.message(), "; the back end is given up");
  events_.Remove(back_end_->fd().get());
  back_end_.reset();
  if (driver_ != nullptr) driver_->DeviceFailed();
}

void BlockDevice::DrainCalls() {
  for (const Fd& call : calls_) TakeEvents(call);
}

void BlockDevice::OnHostEvents() {
  std::array<EventSet::Event, EventSet::kMaxEvents> room;
  for (const EventSet::Event& event : events_.Poll(room)) {
    if (event.token == kBackEndToken) {
      // It has nothing to say but answers, and those are waited for where the question is.
      if (back_end_) Drop(Error("the back end has gone, or speaks out of turn"));
    } else if (TakeEvents(calls_[event.token]) && driver_ != nullptr && back_end_) {
      driver_->UsedBuffers(QueueIndex{static_cast<uint16_t>(event.token)});
    }
  }
}

void BlockDevice::ReadConfig(uint64_t offset, std::span<std::byte> out) const {
  ReadConfigSpace(config_, offset, out);
}

void BlockDevice::WriteConfig(uint64_t /*offset*/, std::span<const std::byte> /*in*/) {
  metrics_.cfg_fails.Add();
}

}  // namespace ember::virtio::vhost_user
