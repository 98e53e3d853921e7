// DeviceState as a snapshot has it.

#include <bit>
#include <utility>

#include "base/concat.h"
#include "virtio/device_state.h"
#include "virtio/device_status.h"
#include "virtio/saved_device.h"

namespace ember::virtio {
namespace {

// Whether drivers can bring a device there: each bit only with the one before it (virtio 1.2,
// 3.1.1), and two that come at any time.
bool IsReachable(uint8_t status) {
  const int steps = status & ~(kFailed | kNeedsReset);
  return steps == 0 || steps == kAcknowledge || steps == (kAcknowledge | kDriver) ||
         steps == (kAcknowledge | kDriver | kFeaturesOk) ||
         steps == (kAcknowledge | kDriver | kFeaturesOk | kDriverOk);
}

}  // namespace

Result<SavedDevice> DeviceState::SaveHeld() {
  if (active_ && !Has(kNeedsReset)) {
    resting_ = true;
    TRY_CONTEXT(device_.ComeToRest(), device_.name());
  }
  SavedDevice saved{.status = status(),
                    .config_generation = config_generation(),
                    .driver_features = driver_features_,
                    .unknown_feature_word = unknown_feature_word_,
                    .queues = {}};
  const std::span<const QueueSize> max_sizes = device_.max_queue_sizes();
  for (size_t i = 0; i < queues_.size(); ++i) {
    SavedQueue& queue = saved.queues.emplace_back(SavedQueue{.config = queues_[i], .position = 0});
    if (!active_ || !queue.config.ready) continue;
    // A device at rest has given back all that it took, so it stands where the ring says. A driver
    // that writes to that field has its device go on elsewhere, and only itself to blame.
    const QueueRings rings = TRY(ResolveQueueRings(queue.config, max_sizes[i], memory_));
    queue.position = SharedField(rings.used + kRingIndexOffset).load(std::memory_order_acquire);
  }
  return saved;
}

Status DeviceState::Restore(const SavedDevice& saved) {
  const MutexLock lock(mutex_);
  TRY_CONTEXT(RestoreLocked(saved), device_.name());
  return {};
}

Status DeviceState::CheckLocked(const SavedDevice& saved) const {
  if (saved.queues.size() != queues_.size()) {
    return Error(
        Concat("the snapshot has ", saved.queues.size(), " queues, the device ", queues_.size()));
  }
  if (!IsReachable(saved.status)) {
    return Error(Concat("no driver brings a device to status ", Hex{saved.status}));
  }
  for (size_t i = 0; i < queues_.size(); ++i) {
    const QueueConfig& queue = saved.queues[i].config;
    const uint16_t size = ToInteger(queue.size);
    const QueueSize max_size = device_.max_queue_sizes()[i];
    if (size > ToInteger(max_size) || (size != 0 && !std::has_single_bit(size))) {
      return Error(Concat("queue ", i, " of size ", size, " is none of at most ",
                          ToInteger(max_size), " entries"));
    }
    if (queue.ready) TRY_CONTEXT(ResolveQueueRings(queue, max_size, memory_), Concat("queue ", i));
  }
  return {};
}

Status DeviceState::RestoreLocked(const SavedDevice& saved) {
  TRY(CheckLocked(saved));
  driver_features_ = saved.driver_features;
  unknown_feature_word_ = saved.unknown_feature_word;
  if ((saved.status & kFeaturesOk) != 0 && !FeaturesSuitLocked()) {
    return Error(Concat("its driver uses the features ", Hex{saved.driver_features},
                        ", of which the device has ", Hex{offered_.bits()}));
  }
  std::vector<uint16_t> positions;
  for (size_t i = 0; i < queues_.size(); ++i) {
    queues_[i] = saved.queues[i].config;
    positions.push_back(saved.queues[i].position);
  }
  generation_.store(saved.config_generation, std::memory_order_release);
  // One that waits for its reset touches nothing until then.
  if ((saved.status & kDriverOk) != 0 && (saved.status & kNeedsReset) == 0) {
    TRY(TryActivateLocked(positions));
  }
  status_.store(saved.status, std::memory_order_release);
  if (!active_) return {};
  TRY(device_.OnRestored());
  NotifyReadyQueuesLocked();
  return {};
}

// The device's thread may be another's to analyse: DeviceHold keeps the two together.
void DeviceState::Hold() { mutex_.Lock(); }
void DeviceState::LetGo() {
  // What was put back is found again, here as in a machine restored from the snapshot.
  if (std::exchange(resting_, false)) NotifyReadyQueuesLocked();
  mutex_.Unlock();
}

}  // namespace ember::virtio
