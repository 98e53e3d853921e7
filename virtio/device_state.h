#ifndef EMBER_VIRTIO_DEVICE_STATE_H_
#define EMBER_VIRTIO_DEVICE_STATE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/journal.h"
#include "base/result.h"
#include "base/thread_annotations.h"
#include "memory/guest_memory.h"
#include "virtio/driver_events.h"
#include "virtio/features.h"
#include "virtio/interrupt.h"
#include "virtio/queue_layout.h"
#include "virtio/saved_device.h"
#include "virtio/transport_metrics.h"
#include "virtio/virtio_device.h"

namespace ember::virtio {

enum class QueueArea { kDescriptors, kAvailable, kUsed };
enum class AddressHalf { kLow, kHigh };

// One device as its driver sees it through any transport (virtio 1.2, 2 and 3.1): the status, the
// negotiation of features, the set-up of queues, and when the device below is active. Whatever the
// driver writes, in any order, from several processors, has one defined outcome; what makes no
// sense is counted and changes nothing.
//
// Thread safety: all methods may be called from any thread. mutex_ is held over every call into the
// device, so the device's thread working on a queue and a vCPU thread resetting it take turns, and
// one waits for the other for as long as one OnNotify() lasts. Notify(), and the reads of status
// and generation, take no lock. Nothing else is locked while mutex_ is
// held, but in the journal.
class DeviceState final : public DriverEvents {
 public:
  // Borrows all three for its life.
  static Result<std::unique_ptr<DeviceState>> Create(VirtioDevice& device,
                                                     const GuestMemory& memory,
                                                     Interrupt& interrupt);
  // Resets the device if it is active. No other call may be under way.
  ~DeviceState() override;

  VirtioDevice& device() { return device_; }
  // Who is told when a driver has the device up, and when it must reset it; nobody without. Before
  // any driver; outlives this.
  void ReportTo(Journal& journal) { journal_ = &journal; }
  const TransportMetrics& metrics() const { return metrics_; }
  // For what a transport itself ignores.
  void CountIgnoredAccess() { metrics_.ignored_accesses.Add(); }

  // The status register (2.1). A write of 0 resets, and returns when the device touches nothing of
  // the guest any more. Any other write adds bits: each only when the one before it is there,
  // FEATURES_OK only if the features suit, and DRIVER_OK activates the device.
  uint8_t status() const { return status_.load(std::memory_order_acquire); }
  void WriteStatus(uint32_t value) EXCLUDES(mutex_);

  // Feature bits 32 * word and up (2.2). Words from 2 on are 0. Written only in state DRIVER before
  // FEATURES_OK.
  uint32_t DeviceFeatures(uint32_t word) const;
  void WriteDriverFeatures(uint32_t word, uint32_t value) EXCLUDES(mutex_);

  // Queues are set up between FEATURES_OK and DRIVER_OK, and only while they are not ready. `queue`
  // is the driver's: one that is not there reads 0 and ignores writes.
  size_t queue_count() const { return notify_fds_.size(); }
  uint32_t MaxQueueSize(uint32_t queue) const;
  void WriteQueueSize(uint32_t queue, uint32_t size) EXCLUDES(mutex_);
  void WriteQueueAddress(uint32_t queue, QueueArea area, AddressHalf half, uint32_t value)
      EXCLUDES(mutex_);
  bool QueueReady(uint32_t queue) EXCLUDES(mutex_);
  // 1 makes it ready if its configuration is valid; 0 makes it not ready.
  void WriteQueueReady(uint32_t queue, uint32_t value) EXCLUDES(mutex_);

  // Written to when the driver notifies the queue: the machine watches for arrivals, and gives it
  // to an ioeventfd where it can. Nobody here reads it. Borrowed; lives as long as this.
  const Fd& notify_fd(QueueIndex queue) const { return notify_fds_[ToInteger(queue)]; }
  // Where there is no ioeventfd: the driver notifies `queue`.
  void Notify(uint32_t queue);
  // Lets the device work after a notification; at its limit, notifies again. The device's thread.
  // Not where VirtioDevice::serves_queues_elsewhere().
  void ProcessQueue(QueueIndex queue) EXCLUDES(mutex_);

  // VirtioDevice::host_event_fd() is readable: lets the device see to it. The device's thread.
  void ProcessHostEvents() EXCLUDES(mutex_);
  // In place of a wait for VirtioDevice::host_event_fd(), by the device's own means
  // (VirtioDevice::TakeHostWait()): waits for the host and lets the device see to it, or returns
  // true when `fd` may be readable. The device's thread, which has nothing but this device.
  bool WaitForHost(HostWait& wait, int fd) EXCLUDES(mutex_);
  // Calls `task` while nobody else is in the device: for a client's wishes. May wait as long as one
  // OnNotify() lasts. Any thread.
  template <typename Task>
  decltype(auto) WithDevice(Task&& task) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return std::forward<Task>(task)();
  }

  // Makes this, which no driver has touched, what a snapshot has: an active device is active again,
  // goes on where its queues were, and looks at each of them as if it had been notified. The error
  // names the device and what does not fit; then it is good for nothing. Saving: DeviceHold.
  // virtio/device_state_save.cc.
  Status Restore(const SavedDevice& saved) EXCLUDES(mutex_);

  // The device's configuration space (2.5) and the number that tells whether it changed.
  uint32_t config_generation() const { return generation_.load(std::memory_order_acquire); }
  void ReadConfig(uint64_t offset, std::span<std::byte> out) EXCLUDES(mutex_);
  void WriteConfig(uint64_t offset, std::span<const std::byte> in) EXCLUDES(mutex_);

  // DriverEvents; with or without mutex_ held.
  void UsedBuffers(QueueIndex queue) override;
  void ConfigChanged() override;
  void NeedsReset(QueueIndex queue, Breach breach) override;
  void DeviceFailed() override;

 private:
  friend class DeviceHold;

  DeviceState(VirtioDevice& device, const GuestMemory& memory, Interrupt& interrupt,
              std::vector<Fd> notify_fds);

  bool Has(uint8_t status_bits) const { return (status() & status_bits) == status_bits; }
  void ResetLocked() REQUIRES(mutex_);
  void GainBitsLocked(uint8_t wanted) REQUIRES(mutex_);
  bool FeaturesSuitLocked() const REQUIRES(mutex_);
  void ActivateLocked() REQUIRES(mutex_);
  // `positions` of the queues are where they go on; none: from the beginning.
  Status TryActivateLocked(std::span<const uint16_t> positions) REQUIRES(mutex_);
  void NotifyReadyQueuesLocked() REQUIRES(mutex_);
  // A DeviceHold's.
  void Hold() NO_THREAD_SAFETY_ANALYSIS;
  void LetGo() NO_THREAD_SAFETY_ANALYSIS;
  Result<SavedDevice> SaveHeld() NO_THREAD_SAFETY_ANALYSIS;
  Status CheckLocked(const SavedDevice& saved) const REQUIRES(mutex_);
  Status RestoreLocked(const SavedDevice& saved) REQUIRES(mutex_);
  void SetNeedsReset();
  void Report(std::string_view event);
  // The queue if it can be set up now, else null and counted.
  QueueConfig* ConfigurableQueueLocked(uint32_t queue) REQUIRES(mutex_);

  // Constant after construction.
  VirtioDevice& device_;
  const GuestMemory& memory_;
  Interrupt& interrupt_;
  const Features offered_;
  const std::vector<Fd> notify_fds_;
  Journal* journal_ = nullptr;

  TransportMetrics metrics_;

  // Gains and loses bits with mutex_ held, but for DEVICE_NEEDS_RESET, which is gained at any time.
  // The release of a store pairs with the acquire in status(): who reads 0 sees a reset done.
  std::atomic<uint8_t> status_{0};
  std::atomic<uint32_t> generation_{0};

  Mutex mutex_;
  uint64_t driver_features_ GUARDED_BY(mutex_) = 0;
  bool unknown_feature_word_ GUARDED_BY(mutex_) = false;  // a bit above 63 was accepted
  std::vector<QueueConfig> queues_ GUARDED_BY(mutex_);
  bool active_ GUARDED_BY(mutex_) = false;
  bool resting_ GUARDED_BY(mutex_) = false;  // ComeToRest() was called; while held only
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_DEVICE_STATE_H_
