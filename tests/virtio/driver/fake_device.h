#ifndef EMBER_TESTS_VIRTIO_DRIVER_FAKE_DEVICE_H_
#define EMBER_TESTS_VIRTIO_DRIVER_FAKE_DEVICE_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "virtio/config_space.h"
#include "virtio/virtio_device.h"

namespace ember::virtio::testing {

// A device with two queues that gives each chain back at once, its writable bytes filled with
// kFill, and that remembers what was asked of it. Queue 0 must be set up. Threads as VirtioDevice
// says.
class FakeDevice final : public VirtioDevice {
 public:
  static constexpr std::byte kFill{0x5a};
  static constexpr std::array<QueueSize, 2> kSizes{QueueSize{16}, QueueSize{4}};
  static constexpr Features kFeatures{0, 5, 31, 33};

  std::string_view name() const override { return "fake"; }
  DeviceId id() const override { return DeviceId::kRng; }
  Features offered_features() const override { return kFeatures; }
  std::span<const QueueSize> max_queue_sizes() const override { return kSizes; }

  Status Activate(Activation activation) override {
    ++activations;
    if (!activation.queues[0]) return Error("queue 0 is not set up");
    features = activation.features;
    for (size_t i = 0; i < kSizes.size(); ++i) queue_present[i] = activation.queues[i].has_value();
    active_.emplace(std::move(activation));
    return {};
  }

  Progress OnNotify(QueueIndex index) override {
    ++notifications;
    std::optional<Queue>& queue = active_->queues[ToInteger(index)];
    if (!queue) return Progress::kDone;
    // Buffers can come at any time while this goes on; the limit keeps it finite.
    for (int round = 0; round < kRoundsPerWakeUp; ++round) {
      queue->DisableNotifications();
      const bool sound = Drain(index, *queue);
      if (queue->Publish()) active_->driver.UsedBuffers(index);
      if (!sound || !queue->EnableNotifications()) return Progress::kDone;
    }
    return Progress::kMore;
  }

  Status ComeToRest() override {
    ++rests;
    if (restless) return Error("no rest");
    return {};
  }
  Status OnRestored() override {
    ++restorations;
    if (changes_when_restored) active_->driver.ConfigChanged();
    return {};
  }
  void Reset() override {
    ++resets;
    active_.reset();
  }

  void ReadConfig(uint64_t offset, std::span<std::byte> out) const override {
    ReadConfigSpace(config, offset, out);
  }
  void WriteConfig(uint64_t offset, std::span<const std::byte> in) override {
    ++config_writes;
    for (size_t i = 0; i < in.size() && offset + i < config.size(); ++i) config[offset + i] = in[i];
  }

  DriverEvents& driver() { return active_->driver; }

  int activations = 0;
  int notifications = 0;
  int resets = 0;
  int rests = 0;
  bool restless = false;
  int restorations = 0;
  bool changes_when_restored = false;
  int config_writes = 0;
  Features features;
  std::array<bool, 2> queue_present{};
  std::vector<std::byte> config = std::vector<std::byte>(12);

 private:
  static constexpr int kRoundsPerWakeUp = 4;

  // False after a breach.
  bool Drain(QueueIndex index, Queue& queue) {
    for (uint16_t i = 0; i < ToInteger(queue.size()); ++i) {
      Queue::PopResult popped = queue.Pop(storage_);
      if (!popped) {
        active_->driver.NeedsReset(index, popped.error());
        return false;
      }
      if (!*popped) return true;
      const uint64_t written = (**popped).writable_bytes();
      for (const iovec& piece : (**popped).writable().pieces()) {
        std::fill_n(static_cast<std::byte*>(piece.iov_base), piece.iov_len, kFill);
      }
      queue.Complete(std::move(**popped), written);
    }
    return true;
  }

  ChainStorage storage_{kSizes[0]};
  std::optional<Activation> active_;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_DRIVER_FAKE_DEVICE_H_
