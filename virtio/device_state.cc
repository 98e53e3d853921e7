#include "virtio/device_state.h"

#include <unistd.h>

#include <optional>
#include <string>
#include <utility>

#include "base/log.h"
#include "sandbox/confinement.h"
#include "virtio/device_status.h"

namespace ember::virtio {
namespace {

constexpr uint8_t kDriverBits = kAcknowledge | kDriver | kFeaturesOk | kDriverOk | kFailed;

constexpr uint32_t kFeatureWords = 2;
constexpr uint32_t kBitsPerWord = 32;

// `value` in place of one half of `address`.
GuestAddress WithHalf(GuestAddress address, AddressHalf half, uint32_t value) {
  const uint64_t old_bits = ToInteger(address);
  if (half == AddressHalf::kLow) return GuestAddress{(old_bits & ~uint64_t{0xffffffff}) | value};
  return GuestAddress{(old_bits & 0xffffffff) | (uint64_t{value} << 32)};
}

// What a device asks of the host to become active or be reset, the threads of vCPUs may not: those
// wait here, with the mutex held, while the worker does it.
Status Activate(VirtioDevice& device, Activation activation) {
  Status activated;
  sandbox::RunOnWorker([&] { activated = device.Activate(std::move(activation)); });
  return activated;
}
void Reset(VirtioDevice& device) {
  sandbox::RunOnWorker([&] { device.Reset(); });
}

}  // namespace

Result<std::unique_ptr<DeviceState>> DeviceState::Create(VirtioDevice& device,
                                                         const GuestMemory& memory,
                                                         Interrupt& interrupt) {
  std::vector<Fd> notify_fds;
  for (size_t i = 0; i < device.max_queue_sizes().size(); ++i) {
    notify_fds.push_back(TRY_CONTEXT(CreateEventFd(), device.name()));
  }
  return std::unique_ptr<DeviceState>(
      new DeviceState(device, memory, interrupt, std::move(notify_fds)));
}

DeviceState::DeviceState(VirtioDevice& device, const GuestMemory& memory, Interrupt& interrupt,
                         std::vector<Fd> notify_fds)
    : device_(device),
      memory_(memory),
      interrupt_(interrupt),
      offered_(device.offered_features() | device.queue_features()),
      notify_fds_(std::move(notify_fds)),
      queues_(notify_fds_.size()) {}

DeviceState::~DeviceState() {
  const MutexLock lock(mutex_);
  if (active_) Reset(device_);
}

void DeviceState::WriteStatus(uint32_t value) {
  const MutexLock lock(mutex_);
  if (value == 0) return ResetLocked();
  const uint8_t have = status() & kDriverBits;
  // DEVICE_NEEDS_RESET is the device's: a driver that adds a bit writes it back as it read it.
  const uint32_t wanted = value & ~uint32_t{kNeedsReset};
  if ((wanted & ~uint32_t{kDriverBits}) != 0 || (wanted & have) != have || Has(kFailed)) {
    return CountIgnoredAccess();
  }
  GainBitsLocked(static_cast<uint8_t>(wanted & ~uint32_t{have}));
}

// In the order in which a driver must set them (3.1.1), whether it does so one by one or together.
void DeviceState::GainBitsLocked(uint8_t wanted) {
  const auto gain = [this](uint8_t bit) { status_.fetch_or(bit, std::memory_order_release); };
  if ((wanted & kFailed) != 0) return gain(kFailed);

  const auto gain_if = [&](bool allowed, uint8_t bit) {
    if ((wanted & bit) == 0) return;
    allowed ? gain(bit) : CountIgnoredAccess();
  };
  gain_if(true, kAcknowledge);
  gain_if(Has(kAcknowledge), kDriver);
  gain_if(Has(kDriver) && FeaturesSuitLocked(), kFeaturesOk);
  if ((wanted & kDriverOk) == 0) return;
  Has(kFeaturesOk) ? ActivateLocked() : CountIgnoredAccess();
}

bool DeviceState::FeaturesSuitLocked() const {
  const Features accepted = Features::FromBits(driver_features_);
  return !unknown_feature_word_ && accepted.Has(VIRTIO_F_VERSION_1) &&
         accepted.IsSubsetOf(offered_);
}

void DeviceState::ActivateLocked() {
  const Status activated = TryActivateLocked({});
  status_.fetch_or(kDriverOk, std::memory_order_release);
  if (!activated) {
    metrics_.activation_failures.Add();
    EMBER_LOG_LIMITED(kWarning, device_.name(), ": activation: ", activated.error().message());
    return SetNeedsReset();
  }
  metrics_.activations.Add();
  Report("device_ready");
  // For buffers, and notifications, that came before DRIVER_OK.
  NotifyReadyQueuesLocked();
}

void DeviceState::NotifyReadyQueuesLocked() {
  for (uint32_t queue = 0; queue < queues_.size(); ++queue) {
    if (queues_[queue].ready) Notify(queue);
  }
}

Status DeviceState::TryActivateLocked(std::span<const uint16_t> positions) {
  const Features features = Features::FromBits(driver_features_);
  Activation activation{.memory = memory_,
                        .driver = *this,
                        .features = features,
                        .queues = {},
                        .notify_fds = notify_fds_};
  const std::span<const QueueSize> max_sizes = device_.max_queue_sizes();
  for (size_t i = 0; i < queues_.size(); ++i) {
    std::optional<Queue>& queue = activation.queues.emplace_back();
    if (!queues_[i].ready) continue;
    const uint16_t position = positions.empty() ? uint16_t{0} : positions[i];
    queue.emplace(
        TRY(Queue::Create(memory_, queues_[i],
                          {.max_size = max_sizes[i],
                           .features = features,
                           .state = {.next_available = position, .next_used = position}})));
  }
  TRY(Activate(device_, std::move(activation)));
  active_ = true;
  return {};
}

void DeviceState::ResetLocked() {
  if (std::exchange(active_, false)) Reset(device_);
  driver_features_ = 0;
  unknown_feature_word_ = false;
  queues_.assign(queues_.size(), QueueConfig{});
  interrupt_.Reset();
  metrics_.resets.Add();
  status_.store(0, std::memory_order_release);
}

uint32_t DeviceState::DeviceFeatures(uint32_t word) const {
  if (word >= kFeatureWords) return 0;
  return static_cast<uint32_t>(offered_.bits() >> (kBitsPerWord * word));
}

void DeviceState::WriteDriverFeatures(uint32_t word, uint32_t value) {
  const MutexLock lock(mutex_);
  if (!Has(kDriver) || (status() & (kFeaturesOk | kFailed)) != 0) return CountIgnoredAccess();
  if (word >= kFeatureWords) {
    // None is offered there.
    unknown_feature_word_ = unknown_feature_word_ || value != 0;
    return;
  }
  const uint32_t shift = kBitsPerWord * word;
  const uint64_t others = driver_features_ & ~(uint64_t{0xffffffff} << shift);
  driver_features_ = others | (uint64_t{value} << shift);
}

QueueConfig* DeviceState::ConfigurableQueueLocked(uint32_t queue) {
  if (queue < queues_.size() && Has(kFeaturesOk) && (status() & (kDriverOk | kFailed)) == 0) {
    return &queues_[queue];
  }
  CountIgnoredAccess();
  return nullptr;
}

uint32_t DeviceState::MaxQueueSize(uint32_t queue) const {
  if (queue >= notify_fds_.size()) return 0;
  return ToInteger(device_.max_queue_sizes()[queue]);
}

void DeviceState::WriteQueueSize(uint32_t queue, uint32_t size) {
  const MutexLock lock(mutex_);
  QueueConfig* const config = ConfigurableQueueLocked(queue);
  if (config == nullptr) return;
  const bool power_of_two = size != 0 && (size & (size - 1)) == 0;
  if (config->ready || !power_of_two || size > MaxQueueSize(queue)) return CountIgnoredAccess();
  config->size = QueueSize{static_cast<uint16_t>(size)};
}

void DeviceState::WriteQueueAddress(uint32_t queue, QueueArea area, AddressHalf half,
                                    uint32_t value) {
  const MutexLock lock(mutex_);
  QueueConfig* const config = ConfigurableQueueLocked(queue);
  if (config == nullptr) return;
  if (config->ready) return CountIgnoredAccess();
  GuestAddress& address = area == QueueArea::kDescriptors ? config->descriptors
                          : area == QueueArea::kAvailable ? config->available
                                                          : config->used;
  address = WithHalf(address, half, value);
}

bool DeviceState::QueueReady(uint32_t queue) {
  const MutexLock lock(mutex_);
  return queue < queues_.size() && queues_[queue].ready;
}

void DeviceState::WriteQueueReady(uint32_t queue, uint32_t value) {
  const MutexLock lock(mutex_);
  QueueConfig* const config = ConfigurableQueueLocked(queue);
  if (config == nullptr) return;
  if (value > 1) return CountIgnoredAccess();
  if (value == 0) {
    config->ready = false;
    return;
  }
  const QueueSize max_size = device_.max_queue_sizes()[queue];
  const Result<QueueRings> rings = ResolveQueueRings(*config, max_size, memory_);
  config->ready = rings.has_value();
  if (rings) return;
  CountIgnoredAccess();
  EMBER_LOG_LIMITED(kWarning, device_.name(), ": queue ", queue, ": ", rings.error().message());
}

void DeviceState::Notify(uint32_t queue) {
  if (queue >= notify_fds_.size()) return CountIgnoredAccess();
  const uint64_t one = 1;
  // Fails only where the counter is full, and then it is readable already.
  static_cast<void>(::write(notify_fds_[queue].get(), &one, sizeof(one)) < 0);
}

void DeviceState::ProcessQueue(QueueIndex queue) {
  const MutexLock lock(mutex_);
  if (!active_ || Has(kNeedsReset)) return;
  if (device_.OnNotify(queue) == Progress::kMore) Notify(ToInteger(queue));
}

void DeviceState::ProcessHostEvents() {
  const MutexLock lock(mutex_);
  device_.OnHostEvents();
}

bool DeviceState::WaitForHost(HostWait& wait, int fd) {
  bool needed = false;
  {
    const MutexLock lock(mutex_);
    needed = wait.Prepare(fd);
  }
  if (needed) wait.Wait();
  const MutexLock lock(mutex_);
  device_.OnHostEvents();
  return wait.TakeReadable();
}

void DeviceState::ReadConfig(uint64_t offset, std::span<std::byte> out) {
  const MutexLock lock(mutex_);
  device_.ReadConfig(offset, out);
}

void DeviceState::WriteConfig(uint64_t offset, std::span<const std::byte> in) {
  const MutexLock lock(mutex_);
  const bool early = device_.takes_early_config_writes();
  if (!early && (!Has(kDriver) || Has(kFailed))) return CountIgnoredAccess();
  device_.WriteConfig(offset, in);
}

void DeviceState::UsedBuffers(QueueIndex queue) { interrupt_.NotifyUsedBuffers(queue); }

void DeviceState::ConfigChanged() {
  generation_.fetch_add(1, std::memory_order_acq_rel);
  if (Has(kDriverOk)) interrupt_.NotifyConfigChange();
}

void DeviceState::NeedsReset(QueueIndex queue, Breach breach) {
  metrics_.breaches.Add();
  if (!Has(kNeedsReset)) {
    EMBER_LOG_LIMITED(kWarning, device_.name(), ": queue ", ToInteger(queue), ": ",
                      BreachName(breach), "; the driver must reset the device");
  }
  SetNeedsReset();
}

void DeviceState::DeviceFailed() {
  metrics_.device_failures.Add();
  SetNeedsReset();
}

void DeviceState::SetNeedsReset() {
  const uint8_t before = status_.fetch_or(kNeedsReset, std::memory_order_release);
  if ((before & kNeedsReset) == 0) Report("device_needs_reset");
  interrupt_.NotifyConfigChange();
}

void DeviceState::Report(std::string_view event) {
  if (journal_ != nullptr) {
    journal_->AppendLimited(event, {{"device", std::string(device_.name())}});
  }
}

}  // namespace ember::virtio
