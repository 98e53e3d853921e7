// queue_probe ROUNDS: how fast the queue engine takes and gives back chains of one descriptor,
// every one walked and checked, behind a device that does nothing else. One thread. Prints
//   {"chains_per_s": [of each round…], "driver_chains_per_s": […]}
// The driver shows a whole ring at a time: it wrote the table and the available ring once, so what
// it does for a burst is to move the index and to look at the used one. The second figure is that
// alone; nothing is subtracted from the first.
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/virtio/driver/driver_ring.h"
#include "tests/virtio/driver/rig.h"
#include "virtio/virtio_device.h"

namespace ember::virtio::testing {
namespace {

constexpr uint16_t kQueueSize = 256;
constexpr uint32_t kBufferBytes = 512;
constexpr int kBurstsPerRound = 20'000;

// Gives back each chain as it is.
class NullDevice final : public VirtioDevice {
 public:
  std::string_view name() const override { return "null"; }
  DeviceId id() const override { return DeviceId::kRng; }
  Features offered_features() const override { return {}; }
  std::span<const QueueSize> max_queue_sizes() const override { return kSizes; }

  Status Activate(Activation activation) override {
    active_.emplace(std::move(activation));
    return {};
  }
  void Reset() override { active_.reset(); }

  Progress OnNotify(QueueIndex index) override {
    Queue& queue = *active_->queues[ToInteger(index)];
    do {
      queue.DisableNotifications();
      for (;;) {
        Queue::PopResult popped = queue.Pop(storage_);
        if (!popped) {
          active_->driver.NeedsReset(index, popped.error());
          return Progress::kDone;
        }
        if (!*popped) break;
        queue.Complete(std::move(**popped), 0);
      }
      if (queue.Publish()) active_->driver.UsedBuffers(index);
    } while (queue.EnableNotifications());
    return Progress::kDone;
  }

 private:
  static constexpr std::array<QueueSize, 1> kSizes{QueueSize{kQueueSize}};
  ChainStorage storage_{kSizes[0]};
  std::optional<Activation> active_;
};

void FillRing(DriverRing& ring, GuestRam& ram) {
  for (uint16_t i = 0; i < kQueueSize; ++i) {
    ring.Add({{.at = ram.Allocate(kBufferBytes), .len = kBufferBytes, .device_writes = true}});
  }
}

// Shows the device `kBurstsPerRound` full rings; returns the chains a second.
template <typename Work>
double Round(DriverRing& ring, uint16_t& shown, Work work) {
  using SteadyClock = std::chrono::steady_clock;
  const auto began = SteadyClock::now();
  for (int burst = 0; burst < kBurstsPerRound; ++burst) {
    shown = static_cast<uint16_t>(shown + kQueueSize);
    ring.SetAvailableIndex(shown);
    work();
    if (ring.used_index() != shown) {
      std::fprintf(stderr, "queue_probe: chains are missing\n");
      std::exit(1);
    }
  }
  const std::chrono::duration<double> took = SteadyClock::now() - began;
  return kBurstsPerRound * double{kQueueSize} / took.count();
}

void Print(const char* name, const std::vector<double>& values, const char* after) {
  std::printf("\"%s\": [", name);
  for (size_t i = 0; i < values.size(); ++i) std::printf("%s%.0f", i > 0 ? ", " : "", values[i]);
  std::printf("]%s", after);
}

int Run(int rounds) {
  NullDevice device;
  Rig rig(device);
  DriverRing ring(rig.ram, kQueueSize, /*event_index=*/true);
  rig.driver.Start(kVersion1Feature | kIndirectFeature | kEventIndexFeature64, ring.place());
  FillRing(ring, rig.ram);

  std::vector<double> with_device;
  std::vector<double> driver_alone;
  DriverRing elsewhere(rig.ram, kQueueSize);
  uint16_t shown = 0;
  uint16_t alone_shown = 0;
  for (int round = 0; round <= rounds; ++round) {
    const double rate = Round(
        ring, shown, [&] { rig.state().WithDevice([&] { device.OnNotify(QueueIndex{0}); }); });
    const double alone =
        Round(elsewhere, alone_shown, [&] { elsewhere.SetUsedIndex(alone_shown); });
    if (round == 0) continue;  // warms up
    with_device.push_back(rate);
    driver_alone.push_back(alone);
  }
  std::printf("{");
  Print("chains_per_s", with_device, ", ");
  Print("driver_chains_per_s", driver_alone, "}\n");
  return 0;
}

}  // namespace
}  // namespace ember::virtio::testing

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: queue_probe ROUNDS\n");
    return 2;
  }
  return ember::virtio::testing::Run(std::atoi(argv[1]));
}
