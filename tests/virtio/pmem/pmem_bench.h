#ifndef EMBER_TESTS_VIRTIO_PMEM_PMEM_BENCH_H_
#define EMBER_TESTS_VIRTIO_PMEM_PMEM_BENCH_H_

#include <gtest/gtest.h>
#include <poll.h>

#include <cstdint>
#include <cstring>
#include <memory>

#include "tests/base/fake_clock.h"
#include "tests/virtio/driver/driver_ring.h"
#include "tests/virtio/driver/rig.h"
#include "tests/virtio/pmem/memory_store.h"
#include "virtio/pmem/pmem_device.h"

namespace ember::virtio::testing {

inline constexpr uint64_t kPmemStart = uint64_t{1} << 40;
inline constexpr uint32_t kPmemUntouched = 0xeeeeeeee;

// A persistent memory device over a MemoryStore, with a driver that has brought it up.
struct PmemBench {
  explicit PmemBench(Access access = Access::kReadWrite, const RateLimiterOptions& limits = {})
      : owned_store(std::make_unique<MemoryStore>(access)),
        store(*owned_store),
        device(*PmemDevice::Create(
            std::move(owned_store),
            {.id = "p0", .start = kPmemStart, .rate_limiter = limits, .clock = clock})),
        rig(*device) {
    Start();
  }
  // A store that still holds a flush would never let its worker go.
  ~PmemBench() { store.Release(); }

  void Start() {
    ring = std::make_unique<DriverRing>(rig.ram, uint16_t{32});
    rig.driver.Start(kVersion1Feature, ring->place());
  }

  // Puts a request with its answer behind it into the ring. Where the answer is.
  GuestAddress Put(uint32_t type = 0) {
    const GuestAddress at = rig.ram.Allocate(8);
    const uint32_t words[] = {type, kPmemUntouched};
    std::memcpy(rig.ram.Bytes(at, 8).data(), words, 8);
    ring->Add({Segment{at, 4, false}, Segment{at + 4, 4, true}});
    return at + 4;
  }
  void Kick() {
    ring->Publish();
    rig.driver.Notify(0);
    rig.Pump();
  }
  // Lets the device work until `count` requests came back.
  void AwaitUsed(uint16_t count) {
    while (ring->used_index() != count) {
      pollfd fd{.fd = device->host_event_fd(), .events = POLLIN, .revents = 0};
      ::poll(&fd, 1, -1);
      rig.Pump();
    }
  }
  uint32_t Answer(GuestAddress at) {
    uint32_t answer;
    std::memcpy(&answer, rig.ram.Bytes(at, 4).data(), 4);
    return answer;
  }
  bool needs_reset() { return (rig.driver.status() & kNeedsReset) != 0; }
  const PmemMetrics& metrics() { return device->metrics(); }

  FakeClock clock;
  std::unique_ptr<MemoryStore> owned_store;
  MemoryStore& store;
  std::unique_ptr<PmemDevice> device;
  Rig rig;
  std::unique_ptr<DriverRing> ring;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_PMEM_PMEM_BENCH_H_
