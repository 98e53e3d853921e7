#include "virtio/block/block_device.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "base/concat.h"
#include "virtio/block/ranges.h"
#include "virtio/block/sync_engine.h"
#include "virtio/config_space.h"

namespace ember::virtio {
namespace {

// Two descriptors of a chain are for header and status.
constexpr uint32_t kMaxSegments = ToInteger(BlockDevice::kQueueSize) - 2;
// What a host's file system gives room back in, as a rule; the driver may name any sector.
constexpr uint32_t kDiscardAlignmentSectors = 4096 / kSectorBytes;

// How long until the host is asked again for what it refused.
constexpr std::chrono::milliseconds kEventsRetryDelay{1};

enum EventToken : uint64_t { kEngineToken, kTimerToken };

virtio_blk_config InitialConfig(DiscardSupport discard, uint16_t queue_count) {
  virtio_blk_config config{};
  config.seg_max = kMaxSegments;
  config.blk_size = kSectorBytes;
  config.num_queues = queue_count;
  if (discard == DiscardSupport::kOffered) {
    config.max_discard_sectors = DiskRanges::kMaxSectors;
    config.max_discard_seg = DiskRanges::kMaxRanges;
    config.discard_sector_alignment = kDiscardAlignmentSectors;
    config.max_write_zeroes_sectors = DiskRanges::kMaxSectors;
    config.max_write_zeroes_seg = DiskRanges::kMaxRanges;
    config.write_zeroes_may_unmap = 1;
  }
  return config;
}

}  // namespace

Result<std::unique_ptr<BlockDevice>> BlockDevice::Create(std::unique_ptr<Disk> disk,
                                                         std::unique_ptr<IoEngine> engine,
                                                         const Options& options) {
  if (options.queue_count < 1 || options.queue_count > kMaxQueues) {
    return Error(Concat("queues ", options.queue_count, " is not between 1 and ", kMaxQueues));
  }
  if (engine == nullptr) engine = std::make_unique<SyncEngine>(*disk);
  EventSet events = TRY(EventSet::Create());
  Timer timer = TRY(Timer::Create());
  constexpr auto kReadable = EventSet::Interest::kReadable;
  TRY(events.Add(timer.fd().get(), kReadable, kTimerToken));
  if (engine->finished_fd() >= 0) {
    TRY(events.Add(engine->finished_fd(), kReadable, kEngineToken));
  }
  std::unique_ptr<BlockParts> parts(
      new BlockParts{.name = Concat("block ", options.drive_id),
                     .cache_type = options.cache_type,
                     .clock = options.clock,
                     .limiter = RateLimiter(options.rate_limiter, options.clock.Now()),
                     .timer = std::move(timer),
                     .disk = std::move(disk),
                     .engine = std::move(engine)});
  return std::unique_ptr<BlockDevice>(
      new BlockDevice(std::move(events), std::move(parts), options));
}

BlockDevice::BlockDevice(EventSet events, std::unique_ptr<BlockParts> parts, const Options& options)
    : events_(std::move(events)),
      discard_(parts->disk->access() == Access::kReadOnly ? DiscardSupport::kNone
                                                          : options.discard),
      queue_sizes_(options.queue_count, kQueueSize),
      known_capacity_sectors_(options.known_capacity_sectors),
      parts_(std::move(parts)),
      config_(InitialConfig(discard_, options.queue_count)) {
  config_.capacity = capacity_sectors();
}

BlockDevice::~BlockDevice() = default;

Features BlockDevice::offered_features() const {
  Features features{VIRTIO_BLK_F_SEG_MAX, VIRTIO_BLK_F_BLK_SIZE};
  if (parts_->disk->access() == Access::kReadOnly) features = features | Features{VIRTIO_BLK_F_RO};
  if (parts_->cache_type == CacheType::kWriteback) {
    features = features | Features{VIRTIO_BLK_F_FLUSH};
  }
  if (discard_ == DiscardSupport::kOffered) {
    features = features | Features{VIRTIO_BLK_F_DISCARD, VIRTIO_BLK_F_WRITE_ZEROES};
  }
  if (queue_sizes_.size() > 1) features = features | Features{VIRTIO_BLK_F_MQ};
  return features;
}

Status BlockDevice::Activate(Activation activation) {
  if (!activation.queues.front()) {
    parts_->metrics.activate_fails.Add();
    return Error("the driver did not set up the first request queue");
  }
  session_ = std::make_unique<BlockSession>(*parts_, std::move(activation));
  return {};
}

Status BlockDevice::OnRestored() {
  if (known_capacity_sectors_.value_or(capacity_sectors()) != capacity_sectors()) {
    session_->ConfigChanged();
  }
  return {};
}

Progress BlockDevice::OnNotify(QueueIndex queue) {
  const Progress progress = session_->OnNotify(queue);
  FollowSession();
  return progress;
}

void BlockDevice::Reset() {
  session_.reset();
  FollowSession();
}

void BlockDevice::FollowSession() {
  const bool awaits = session_ == nullptr || session_->awaits_engine();
  if (waits_in_engine_ || awaits == awaits_engine_) return;
  const auto interest = awaits ? EventSet::Interest::kReadable : EventSet::Interest::kNone;
  if (events_.Change(parts_->engine->finished_fd(), interest, kEngineToken)) {
    awaits_engine_ = awaits;
  } else {
    parts_->timer.Arm(kEventsRetryDelay);
  }
}

void BlockDevice::OnHostEvents() {
  // While the timer rests it can only be the engine: that need not be asked of the host.
  if (session_ != nullptr && !parts_->timer.armed()) {
    session_->OnEngine();
    return FollowSession();
  }
  std::array<EventSet::Event, 2> room;
  const std::span<const EventSet::Event> ready = events_.Poll(room);
  const auto is = [](EventToken token) {
    return [token](const EventSet::Event& event) { return event.token == token; };
  };
  const bool timer = std::ranges::any_of(ready, is(kTimerToken));
  const bool engine = waits_in_engine_ || std::ranges::any_of(ready, is(kEngineToken));
  if (timer) parts_->timer.Disarm();
  if (!timer && !engine) parts_->metrics.event_fails.Add();
  if (session_ != nullptr) {
    if (timer) {
      session_->OnTimer();
    } else if (engine) {
      session_->OnEngine();
    }
    FollowSession();
  } else if (engine) {
    // What a reset left: nothing that anyone waits for.
    while (parts_->engine->TakeFinished()) {
    }
  }
}

HostWait* BlockDevice::TakeHostWait() {
  HostWait* const wait = parts_->engine->host_wait();
  // Waited for once: the ring cannot wait for a set that it is in.
  if (wait != nullptr) events_.Remove(parts_->engine->finished_fd());
  waits_in_engine_ = wait != nullptr;
  return wait;
}

Status BlockDevice::ReplaceDisk(std::unique_ptr<Disk> disk) {
  if (disk->access() != parts_->disk->access()) {
    parts_->metrics.update_fails.Add();
    return Error(Concat(parts_->name,
                        ": a disk for reading only and one for writing cannot replace "
                        "each other while the driver may know which it is"));
  }
  if (session_ != nullptr) session_->FinishUnderWay();
  if (Status used = parts_->engine->UseDisk(*disk); !used) {
    parts_->metrics.update_fails.Add();
    return used;
  }
  parts_->disk = std::move(disk);
  parts_->metrics.update_count.Add();
  if (config_.capacity == capacity_sectors()) return {};
  config_.capacity = capacity_sectors();
  if (session_ != nullptr) session_->ConfigChanged();
  return {};
}

void BlockDevice::UpdateRateLimiter(const RateLimiterOptions& options) {
  parts_->limiter.Update(options, parts_->clock.Now());
  parts_->metrics.update_count.Add();
  // Whoever waits may be admitted by now, or has to wait for longer.
  if (session_ != nullptr) parts_->timer.Arm(std::chrono::nanoseconds::zero());
}

void BlockDevice::ReadConfig(uint64_t offset, std::span<std::byte> out) const {
  ReadConfigSpace(std::as_bytes(std::span(&config_, 1)), offset, out);
}

void BlockDevice::WriteConfig(uint64_t /*offset*/, std::span<const std::byte> /*in*/) {
  parts_->metrics.cfg_fails.Add();
}

}  // namespace ember::virtio
