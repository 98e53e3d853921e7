#ifndef EMBER_TESTS_BENCH_BUSY_DRIVER_H_
#define EMBER_TESTS_BENCH_BUSY_DRIVER_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "tests/virtio/driver/driver_ring.h"
#include "tests/virtio/driver/rig.h"

namespace ember::virtio::testing {

// What a driver asks of one queue again and again.
struct Request {
  struct Part {
    uint32_t len;
    bool device_writes;
  };
  QueueIndex queue;
  std::vector<Part> parts;
  // Writes the first part, all zero before, of the request of that number.
  std::function<void(size_t number, std::span<std::byte> part)> fill = nullptr;
};

// A driver that asks a device for as much as fits its queue, and again for all that it gets, as
// fast as it is let. Somebody else does the device's work. One thread.
class BusyDriver {
 public:
  BusyDriver(VirtioDevice& device, Request request) : request_(std::move(request)), rig_(device) {
    rig_.driver.Negotiate(kVersion1Feature);
    for (uint32_t i = 0; i < device.max_queue_sizes().size(); ++i) {
      rings_.emplace_back(rig_.ram, kQueueSize);
      rig_.driver.EnableQueue(i, rings_.back().place());
    }
    rig_.driver.AddStatus(kDriverOk);
    for (size_t i = 0; ring().free_descriptors() >= request_.parts.size(); ++i) Add(LayOut(i));
    ring().Publish();
  }

  DeviceState& state() { return rig_.state(); }

  // The requests that complete in a second, over `duration`, while the device is at work.
  double Measure(std::chrono::seconds duration) {
    using Clock = std::chrono::steady_clock;
    const auto began = Clock::now();
    uint64_t completed = 0;
    rig_.driver.Notify(ToInteger(request_.queue));
    while (Clock::now() < began + duration) {
      const int seen = rig_.line.count();
      while (const auto used = ring().TakeUsed()) {
        Add(std::move(by_head_[used->id]));
        ++completed;
      }
      if (ring().Publish()) rig_.driver.Notify(ToInteger(request_.queue));
      rig_.line.WaitWhile(seen);  // each completion raises the line
    }
    const std::chrono::duration<double> took = Clock::now() - began;
    return static_cast<double>(completed) / took.count();
  }

 private:
  static constexpr uint16_t kQueueSize = 64;
  static constexpr uint64_t kPageBytes = 4096;

  DriverRing& ring() { return rings_[ToInteger(request_.queue)]; }

  std::vector<Segment> LayOut(size_t number) {
    std::vector<Segment> segments;
    for (const Request::Part& part : request_.parts) {
      const uint64_t alignment = part.len < kPageBytes ? 16 : kPageBytes;
      segments.push_back({rig_.ram.Allocate(part.len, alignment), part.len, part.device_writes});
    }
    const Segment& first = segments.front();
    if (request_.fill) request_.fill(number, rig_.ram.Bytes(first.at, first.len));
    return segments;
  }
  void Add(std::vector<Segment> segments) {
    const uint16_t head = ring().Add(segments);
    by_head_[head] = std::move(segments);
  }

  const Request request_;
  Rig rig_;
  std::vector<DriverRing> rings_;
  std::array<std::vector<Segment>, kQueueSize> by_head_;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_BENCH_BUSY_DRIVER_H_
