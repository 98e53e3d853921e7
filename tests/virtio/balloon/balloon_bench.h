#ifndef EMBER_TESTS_VIRTIO_BALLOON_BALLOON_BENCH_H_
#define EMBER_TESTS_VIRTIO_BALLOON_BALLOON_BENCH_H_

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "tests/virtio/driver/driver_ring.h"
#include "tests/virtio/driver/rig.h"
#include "virtio/balloon/balloon_device.h"

namespace ember::virtio::testing {

// As the specification prints them (virtio 1.2, 5.5.3 and 5.5.4).
inline constexpr uint64_t kStatisticsFeature = 1 << 1;
inline constexpr uint64_t kDeflateOnOomFeature = 1 << 2;
inline constexpr uint64_t kHintingFeature = 1 << 3;
inline constexpr uint64_t kReportingFeature = 1 << 5;
inline constexpr uint64_t kNumPagesOffset = reg::kConfig + 0;
inline constexpr uint64_t kActualOffset = reg::kConfig + 4;
inline constexpr uint64_t kHintCommandOffset = reg::kConfig + 8;
inline constexpr uint64_t kPage = 4096;

// All that a balloon can do; the interval never ends by itself.
inline BalloonDevice::Options AllFeatures() {
  return {.deflate_on_oom = true,
          .statistics_interval = std::chrono::hours(1),
          .free_page_hinting = true,
          .free_page_reporting = true};
}

// A balloon and a driver that has set up its queues.
struct BalloonBench {
  explicit BalloonBench(const BalloonDevice::Options& options = AllFeatures(),
                        bool track_dirty_pages = false)
      : device(*BalloonDevice::Create(options)), rig(*device, track_dirty_pages) {
    Start(rig.driver.DeviceFeatures());
  }

  // From reset to DRIVER_OK, with as many queues as there are with `features`.
  void Start(uint64_t features) {
    // Ring events are of no matter here.
    features &= ~kEventIndexFeature64;
    rings.clear();
    EXPECT_TRUE(rig.driver.Negotiate(features | kVersion1Feature));
    const uint64_t optional = kStatisticsFeature | kHintingFeature | kReportingFeature;
    const int count = 2 + std::popcount(features & optional);
    for (int i = 0; i < count; ++i) {
      rings.emplace_back(rig.ram, uint16_t{64});
      EXPECT_TRUE(rig.driver.EnableQueue(static_cast<uint32_t>(i), rings.back().place()));
    }
    rig.driver.AddStatus(kDriverOk);
  }

  // Puts one request into a queue and lets the device work.
  void Send(size_t queue, std::initializer_list<Segment> segments) {
    rings[queue].Add(segments);
    Kick(queue);
  }
  void Kick(size_t queue) {
    rings[queue].Publish();
    rig.driver.Notify(static_cast<uint32_t>(queue));
    rig.Pump();
  }
  // The page numbers in guest memory.
  Segment Frames(const std::vector<uint32_t>& frames) {
    const auto len = static_cast<uint32_t>(frames.size() * sizeof(uint32_t));
    const GuestAddress at = rig.ram.Allocate(len);
    std::memcpy(rig.ram.Bytes(at, len).data(), frames.data(), len);
    return {at, len, false};
  }
  void Inflate(const std::vector<uint32_t>& frames) { Send(0, {Frames(frames)}); }
  void Deflate(const std::vector<uint32_t>& frames) { Send(1, {Frames(frames)}); }

  // Touches every page of the range.
  void Fill(GuestAddress at, uint64_t len) { std::ranges::fill(rig.ram.Bytes(at, len), kFill); }
  // How many pages of the range hold memory of the host's.
  uint64_t Resident(GuestAddress at, uint64_t len) {
    std::vector<unsigned char> resident(len / kPage);
    EXPECT_EQ(::mincore(rig.ram.Bytes(at, len).data(), len, resident.data()), 0);
    return static_cast<uint64_t>(std::ranges::count(resident, 1));
  }
  bool needs_reset() { return (rig.driver.status() & kNeedsReset) != 0; }
  const BalloonMetrics& metrics() { return device->metrics(); }

  static constexpr std::byte kFill{0x5a};

  std::unique_ptr<BalloonDevice> device;
  Rig rig;
  std::vector<DriverRing> rings;
};

// Memory away from rings and requests: the upper half of the low region.
inline constexpr GuestAddress kField{uint64_t{4} << 20};
inline constexpr uint64_t kFieldBytes = uint64_t{4} << 20;
inline constexpr uint32_t kFieldFrame = (uint32_t{4} << 20) / 4096;

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_BALLOON_BALLOON_BENCH_H_
