#include "virtio/balloon/balloon_device.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "base/concat.h"
#include "base/endian.h"
#include "base/log.h"
#include "virtio/balloon/page_runs.h"
#include "virtio/config_space.h"

namespace ember::virtio {
namespace {

Features OfferedBy(const BalloonDevice::Options& options) {
  Features features;
  if (options.statistics_interval.count() > 0) {
    features = features | Features{VIRTIO_BALLOON_F_STATS_VQ};
  }
  if (options.deflate_on_oom) features = features | Features{VIRTIO_BALLOON_F_DEFLATE_ON_OOM};
  if (options.free_page_hinting) features = features | Features{VIRTIO_BALLOON_F_FREE_PAGE_HINT};
  if (options.free_page_reporting) features = features | Features{VIRTIO_BALLOON_F_REPORTING};
  return features;
}

Error Inactive() {
  return Error("Device is inactive, check if balloon driver is enabled in guest kernel.");
}

Error HintingDisabled() { return Error("Free page hinting for the balloon device is not enabled"); }

}  // namespace

Result<std::unique_ptr<BalloonDevice>> BalloonDevice::Create(const Options& options) {
  if (options.target_pages > UINT32_MAX) {
    return Error(
        Concat("a balloon of ", options.target_pages, " pages exceeds the limit ", UINT32_MAX));
  }
  std::optional<Timer> timer;
  if (options.statistics_interval.count() > 0) timer = TRY(Timer::Create());
  std::unique_ptr<BalloonDevice> device(new BalloonDevice(options, std::move(timer)));
  if (options.state) TRY_CONTEXT(device->Restore(*options.state), "balloon");
  return device;
}

BalloonDevice::BalloonDevice(const Options& options, std::optional<Timer> timer)
    : offered_(OfferedBy(options)),
      queue_sizes_(RolesOf(offered_).size(), kQueueSize),
      timer_(std::move(timer)),
      interval_(options.statistics_interval) {
  config_.num_pages = static_cast<uint32_t>(options.target_pages);
}

BalloonState BalloonDevice::Save() const {
  return {.target_pages = config_.num_pages,
          .actual_pages = config_.actual,
          .statistics_interval_ns = static_cast<uint64_t>(interval_.count()),
          .statistics = statistics_.Save(),
          .hinting = hinting_.Save()};
}

Status BalloonDevice::Restore(const BalloonState& state) {
  constexpr uint64_t kMaxInterval = std::numeric_limits<int64_t>::max();
  const bool has_statistics = state.statistics_interval_ns != 0;
  if (has_statistics != timer_.has_value() || state.statistics_interval_ns > kMaxInterval) {
    return Error(Concat("an interval of ", state.statistics_interval_ns,
                        " ns does not go with its configuration"));
  }
  TRY(statistics_.Restore(state.statistics));
  TRY(hinting_.Restore(state.hinting));
  interval_ = std::chrono::nanoseconds(state.statistics_interval_ns);
  config_.num_pages = state.target_pages;
  config_.actual = state.actual_pages;
  config_.free_page_hint_cmd_id = hinting_.host_command();
  return {};
}

BalloonDevice::~BalloonDevice() {
  if (active_ != nullptr) BalloonDevice::Reset();
}

// The order of queues (5.5.2). One whose feature is not negotiated has no number: drivers count
// only those there are.
std::vector<BalloonDevice::Role> BalloonDevice::RolesOf(Features features) {
  std::vector<Role> roles{Role::kInflate, Role::kDeflate};
  if (features.Has(VIRTIO_BALLOON_F_STATS_VQ)) roles.push_back(Role::kStatistics);
  if (features.Has(VIRTIO_BALLOON_F_FREE_PAGE_HINT)) roles.push_back(Role::kHinting);
  if (features.Has(VIRTIO_BALLOON_F_REPORTING)) roles.push_back(Role::kReporting);
  return roles;
}

Status BalloonDevice::Activate(Activation activation) {
  const std::vector<Role> roles = RolesOf(activation.features);
  std::vector<Channel> channels;
  for (size_t i = 0; i < roles.size(); ++i) {
    std::optional<Queue>& queue = activation.queues[i];
    if (!queue) continue;
    const QueueSize size = queue->size();
    channels.push_back({.role = roles[i],
                        .index = QueueIndex{static_cast<uint16_t>(i)},
                        .queue = *std::move(queue),
                        .storage = ChainStorage(size),
                        .pending = std::nullopt});
  }
  if (channels.empty() || channels.front().role != Role::kInflate) {
    metrics_.activate_fails.Add();
    return Error("the driver did not set up the inflate queue");
  }
  active_ = std::make_unique<Active>(Active{
      .memory = activation.memory, .driver = activation.driver, .channels = std::move(channels)});
  if (Find(Role::kStatistics) != nullptr) timer_->Arm(interval_);
  return {};
}

void BalloonDevice::Reset() {
  for (Channel& channel : active_->channels) {
    if (channel.pending) std::move(channel.pending->chain).Abandon();
  }
  active_.reset();
  if (timer_) timer_->Disarm();
  // Whoever comes next has all its pages, and knows of no run.
  config_.actual = 0;
  hinting_.Reset();
  config_.free_page_hint_cmd_id = hinting_.host_command();
}

Status BalloonDevice::ComeToRest() {
  for (Channel& channel : active_->channels) {
    if (!channel.pending) continue;
    Pending pending = *std::exchange(channel.pending, std::nullopt);
    channel.queue.PutBack(std::move(pending.chain));
  }
  return {};
}

BalloonDevice::Channel* BalloonDevice::Find(QueueIndex index) {
  const auto found = std::ranges::find(active_->channels, index, &Channel::index);
  return found == active_->channels.end() ? nullptr : &*found;
}

BalloonDevice::Channel* BalloonDevice::Find(Role role) {
  const auto found = std::ranges::find(active_->channels, role, &Channel::role);
  return found == active_->channels.end() ? nullptr : &*found;
}

Progress BalloonDevice::OnNotify(QueueIndex index) {
  Channel* const channel = Find(index);
  if (channel == nullptr || active_->broken) return Progress::kDone;
  if (channel->role == Role::kStatistics) {
    TakeStatistics(*channel);
    return Progress::kDone;
  }
  Queue& queue = channel->queue;
  int64_t budget = kWakeUpBudgetBytes;
  for (;;) {
    queue.DisableNotifications();
    const Drained drained = Drain(*channel, budget);
    if (queue.Publish()) active_->driver.UsedBuffers(index);
    if (drained == Drained::kBreach) return Progress::kDone;
    if (drained == Drained::kAtLimit) return Progress::kMore;
    if (!queue.EnableNotifications()) return Progress::kDone;
    // The index moved and may move back: that must not go on for ever.
    budget -= kRequestCostBytes;
  }
}

BalloonDevice::Drained BalloonDevice::Drain(Channel& channel, int64_t& budget) {
  while (budget > 0) {
    if (!channel.pending) {
      const tl::expected<bool, Breach> taken = Take(channel);
      if (!taken) {
        Break(channel.index, taken.error());
        return Drained::kBreach;
      }
      if (!*taken) return Drained::kEmpty;
      budget -= kRequestCostBytes;
    }
    if (Step(channel, budget) == StepResult::kDone) Finish(channel);
  }
  return Drained::kAtLimit;
}

tl::expected<bool, Breach> BalloonDevice::Take(Channel& channel) {
  Queue::PopResult popped = channel.queue.Pop(channel.storage);
  if (!popped) return tl::unexpected(popped.error());
  if (!*popped) return false;
  DescriptorChain& chain = **popped;
  const Buffers to_read = chain.readable();
  const Buffers to_write = chain.writable();
  channel.pending.emplace(
      Pending{.chain = std::move(chain), .to_read = to_read, .to_write = to_write});
  return true;
}

void BalloonDevice::Finish(Channel& channel) {
  Pending pending = *std::exchange(channel.pending, std::nullopt);
  channel.queue.Complete(std::move(pending.chain), 0);
}

void BalloonDevice::Break(QueueIndex index, Breach breach) {
  active_->broken = true;
  active_->driver.NeedsReset(index, breach);
}

void BalloonDevice::OnHostEvents() {
  timer_->Disarm();
  if (active_ == nullptr || active_->broken) return;
  RequestStatistics();
  timer_->Arm(interval_);
}

void BalloonDevice::ReadConfig(uint64_t offset, std::span<std::byte> out) const {
  ReadConfigSpace(std::as_bytes(std::span(&config_, 1)), offset, out);
}

// The driver's one field is the number of pages it gave up (5.5.4), which it writes whole.
void BalloonDevice::WriteConfig(uint64_t offset, std::span<const std::byte> in) {
  if (offset != offsetof(virtio_balloon_config, actual) || in.size() != sizeof(config_.actual)) {
    metrics_.event_fails.Add();
    return;
  }
  config_.actual = LoadLe<uint32_t>(in);
}

Status BalloonDevice::SetTarget(uint64_t pages) {
  if (active_ == nullptr) return Inactive();
  const uint64_t most =
      std::min<uint64_t>(active_->memory.size_bytes() / kBalloonPageBytes, UINT32_MAX);
  if (pages > most) {
    return Error(Concat("a balloon of ", pages, " pages exceeds the guest's memory of ", most));
  }
  config_.num_pages = static_cast<uint32_t>(pages);
  active_->driver.ConfigChanged();
  return {};
}

Result<BalloonStatistics> BalloonDevice::statistics() const {
  if (!timer_) return Error("Statistics for the balloon device are not enabled");
  return statistics_;
}

Status BalloonDevice::SetStatisticsInterval(std::chrono::nanoseconds interval) {
  if (interval == interval_) return {};
  if (interval.count() == 0 || !timer_) {
    return Error("Cannot enable/disable the statistics after boot.");
  }
  if (active_ == nullptr) return Inactive();
  interval_ = interval;
  if (active_->broken || Find(Role::kStatistics) == nullptr) return {};
  RequestStatistics();
  timer_->Arm(interval_);
  return {};
}

Status BalloonDevice::StartHinting(Hinting::OnStop on_stop) {
  if (!offered_.Has(VIRTIO_BALLOON_F_FREE_PAGE_HINT)) return HintingDisabled();
  if (active_ == nullptr) return Inactive();
  hinting_.Start(on_stop);
  PublishHintCommand();
  return {};
}

Status BalloonDevice::StopHinting() {
  if (!offered_.Has(VIRTIO_BALLOON_F_FREE_PAGE_HINT)) return HintingDisabled();
  if (active_ == nullptr) return Inactive();
  hinting_.Finish();
  PublishHintCommand();
  return {};
}

Result<Hinting> BalloonDevice::hinting() const {
  if (!offered_.Has(VIRTIO_BALLOON_F_FREE_PAGE_HINT)) return HintingDisabled();
  return hinting_;
}

void BalloonDevice::PublishHintCommand() {
  config_.free_page_hint_cmd_id = hinting_.host_command();
  active_->driver.ConfigChanged();
}

}  // namespace ember::virtio
