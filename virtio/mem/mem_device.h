#ifndef EMBER_VIRTIO_MEM_MEM_DEVICE_H_
#define EMBER_VIRTIO_MEM_MEM_DEVICE_H_

#include <linux/virtio_mem.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/fd.h"
#include "base/journal.h"
#include "base/result.h"
#include "memory/guest_memory.h"
#include "virtio/mem/mem_request.h"
#include "virtio/mem/mem_slots.h"
#include "virtio/mem/mem_state.h"
#include "virtio/mem/metrics.h"
#include "virtio/mem/slot_work.h"
#include "virtio/virtio_device.h"

namespace ember::virtio {

// virtio-mem (virtio 1.2, 5.15): the driver plugs blocks of the guest's pluggable memory, up to the
// size that the client asks for, and unplugs them again; then their memory goes back to the host.
//
// What the guest can make the host give it is bounded by what clients asked for: beyond the usable
// part of the region, which is the largest size asked for in whole slots, nothing can be plugged,
// and a slot with no plugged block is not there for its processors. Within a slot that has one they
// can touch blocks that are unplugged; devices cannot, and when the slot goes, its memory goes.
//
// What is plugged outlives a reset of the device, and ends with the machine. A request that takes
// the host long is worked on in pieces, and goes on even when the driver resets the device. Threads
// as VirtioDevice says; metrics() from any. The calls for clients are made under
// DeviceState::WithDevice().
class MemDevice final : public VirtioDevice {
 public:
  static constexpr QueueSize kQueueSize{64};
  // A wake-up ends when what it did cost this much, in bytes given back: see SlotWork.
  static constexpr int64_t kWakeUpBudgetBytes = int64_t{32} << 20;
  static constexpr int64_t kRequestCostBytes = int64_t{64} << 10;

  struct Options {
    const GuestMemory& memory;  // with pluggable memory; outlives the device
    uint64_t slot_bytes = 0;    // whole blocks; the pluggable memory is whole slots
    std::unique_ptr<MemSlots> slots;
    Journal* journal = nullptr;  // told when all that was asked for is plugged; outlives the device
    std::optional<MemState> state;  // of a snapshot; `memory` has nothing plugged
  };

  static Result<std::unique_ptr<MemDevice>> Create(Options options);
  ~MemDevice() override;

  const MemMetrics& metrics() const { return metrics_; }
  // For a snapshot; in a DeviceHold, or under DeviceState::WithDevice(). What the host still has to
  // clear away is none of it.
  MemState Save() const;

  // For clients, in bytes. A size is a multiple of the block size and at most the region's; the
  // driver must be up.
  Status SetRequestedSize(uint64_t bytes);
  uint64_t requested_bytes() const { return config_.requested_size; }
  uint64_t plugged_bytes() const { return config_.plugged_size; }
  uint64_t usable_bytes() const { return config_.usable_region_size; }

  std::string_view name() const override { return "memory"; }
  DeviceId id() const override { return DeviceId::kMem; }
  Features offered_features() const override {
    return Features{VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE};
  }
  std::span<const QueueSize> max_queue_sizes() const override { return kQueueSizes; }
  Status Activate(Activation activation) override;
  Progress OnNotify(QueueIndex queue) override;
  void Reset() override;
  // Finishes the request under way, which for much memory may take seconds.
  Status ComeToRest() override;
  int host_event_fd() const override { return left_over_.get(); }
  void OnHostEvents() override;
  void ReadConfig(uint64_t offset, std::span<std::byte> out) const override;

 private:
  using Blocks = PluggableMemory::Blocks;
  using Clock = std::chrono::steady_clock;
  static constexpr std::array kQueueSizes{kQueueSize};

  // A request, and where it is the active one's, the host's part of it is under way.
  struct Pending {
    DescriptorChain chain;
    Buffers to_write;
    MemRequest request;
    Blocks blocks;
    Clock::time_point start;
  };
  // What exists while the device is active.
  struct Active {
    DriverEvents& driver;
    Queue queue;
    ChainStorage storage;
    std::optional<Pending> pending;
    bool broken = false;  // it needs a reset: no queue is touched
  };
  enum class Drained { kEmpty, kAtLimit, kBreach };

  MemDevice(Options options, Fd left_over);
  Status Restore(const MemState& state);

  Drained Drain(int64_t& budget);
  // Answers the request, or makes it pending and starts the host's part of it.
  void Handle(DescriptorChain chain);
  void HandlePlug(Pending pending);
  void HandleUnplug(Pending pending);
  void HandleUnplugAll(Pending pending);
  void HandleState(Pending pending);
  // The pending request's part of the host's is done.
  void FinishPending();
  // Answers a request and counts it.
  void Answer(Pending pending, uint16_t type, uint16_t state = 0);
  void Count(const Pending& pending, uint16_t type);
  // The usable size that goes with the requested one: whole slots.
  uint64_t UsableFor(uint64_t requested_bytes) const;
  void ReportPlugged() const;

  // Constant after construction.
  const GuestMemory& memory_;
  PluggableMemory& pluggable_;
  const uint64_t slot_bytes_;
  Journal* const journal_;
  const Fd left_over_;  // an eventfd: readable while a reset has left work of the host's

  MemMetrics metrics_;
  SlotWork work_;
  virtio_mem_config config_{};
  std::unique_ptr<Active> active_;  // null while inactive
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_MEM_MEM_DEVICE_H_
