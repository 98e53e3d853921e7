// net_probe ROUNDS: how fast frames get from a driver's ring to a tap, beside writes to the same
// tap without a device. Makes a network of its own, so it needs root; nobody takes the frames from
// the tap. Prints the frames a second of each round, the two in turn:
//   {"tx_1514": […], "tx_1514_bare": […], "tx_gso": […], "tx_gso_bare": […]}
// tx_gso is of TCP segments of 64 KiB that the kernel is asked to cut. The driver shows a burst at
// a time and rings as a guest without ioeventfd does; its table was written once.
#include <sys/uio.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <vector>

#include "base/fd.h"
#include "tests/bench/bench_tap.h"
#include "tests/virtio/driver/driver_ring.h"
#include "tests/virtio/driver/net_driver.h"
#include "tests/virtio/driver/rig.h"
#include "virtio/net/net_device.h"
#include "virtio/net/tap.h"

namespace ember::virtio::testing {
namespace {

constexpr uint16_t kQueueSize = 256;
constexpr QueueIndex kTransmitQueue{1};
constexpr uint32_t kPageBytes = 4096;

// One kind of frame: what the driver says of it, and how it lies in memory.
struct Kind {
  PacketHeader header;
  std::vector<uint32_t> lens;  // of its buffers; the header is in the first
  uint32_t bursts;
};

Kind PlainFrames() { return {.header = {}, .lens = {12 + 1514}, .bursts = 400}; }
Kind LargeSegments() {
  std::vector<uint32_t> lens(16, kPageBytes);
  lens.insert(lens.begin(), 12 + kGsoHeaders);
  lens.back() -= kGsoHeaders;  // 64 KiB with its headers
  return {.header = kLargeSegment, .lens = lens, .bursts = 400};
}

uint32_t FrameBytes(const Kind& kind) {
  return std::accumulate(kind.lens.begin(), kind.lens.end(), 0U) - uint32_t{sizeof(PacketHeader)};
}

class Bench {
 public:
  Bench()
      : tap_(MakeTap()),
        device_(*NetDevice::Create(*Tap::Inherit(tap_.get()), {.interface_id = "bench"})),
        rig_(*device_) {}

  void Run(const char* name, const Kind& kind, uint32_t rounds) {
    DriverRing receive(rig_.ram, kQueueSize, /*event_index=*/true);
    DriverRing transmit(rig_.ram, kQueueSize, /*event_index=*/true);
    rig_.driver.Negotiate(kVersion1Feature | kEventIndexFeature64 | kNetCsum | kNetHostTso4);
    rig_.driver.EnableQueue(0, receive.place());
    rig_.driver.EnableQueue(1, transmit.place());
    rig_.driver.AddStatus(kDriverOk);
    rig_.Pump();
    const uint16_t burst = FillRing(transmit, kind);
    uint16_t shown = 0;
    std::vector<double> rates, bare_rates;
    for (uint32_t round = 0; round <= rounds; ++round) {
      const double frames = double{1} * kind.bursts * burst;
      const double rate = frames / Measure([&] { Show(transmit, kind, burst, shown); }).count();
      const double bare = frames / Measure([&] { Write(kind, burst); }).count();
      if (round == 0) continue;  // warms up
      rates.push_back(rate);
      bare_rates.push_back(bare);
    }
    const uint64_t wanted = sent_ + uint64_t{burst} * kind.bursts * (rounds + 1U);
    sent_ = device_->metrics().tx_count.value();
    if (sent_ != wanted) Fail("not every frame reached the tap");
    PrintRates(name, "", rates, ", ");
    PrintRates(name, "_bare", bare_rates, "");
    rig_.driver.Write(reg::kStatus, 0);
  }

 private:
  // As many frames as fit; the available ring goes round and round over them.
  uint16_t FillRing(DriverRing& ring, const Kind& kind) {
    std::vector<uint16_t> heads;
    frames_.clear();
    while (ring.free_descriptors() >= kind.lens.size()) {
      std::vector<Segment> segments;
      std::vector<iovec>& pieces = frames_.emplace_back();
      for (const uint32_t len : kind.lens) {
        segments.push_back({rig_.ram.Allocate(len, 64), len, false});
        pieces.push_back({rig_.ram.Bytes(segments.back().at, len).data(), len});
      }
      WriteHeaders(kind.header, FrameBytes(kind),
                   rig_.ram.Bytes(segments.front().at, segments.front().len));
      heads.push_back(ring.Add(segments));
    }
    for (uint16_t slot = 0; slot < kQueueSize; ++slot) {
      ring.SetAvailableEntry(slot, heads[slot % heads.size()]);
    }
    return static_cast<uint16_t>(heads.size());
  }

  void Show(DriverRing& ring, const Kind& kind, uint16_t burst, uint16_t& shown) {
    for (uint32_t i = 0; i < kind.bursts; ++i) {
      shown = static_cast<uint16_t>(shown + burst);
      ring.SetAvailableIndex(shown);
      rig_.driver.Notify(ToInteger(kTransmitQueue));
      while (ring.used_index() != shown) {
        rig_.state().ProcessQueue(kTransmitQueue);
        if (ring.used_index() != shown) rig_.state().ProcessHostEvents();
      }
    }
  }

  void Write(const Kind& kind, uint16_t burst) {
    for (uint32_t i = 0; i < kind.bursts; ++i) {
      for (uint16_t frame = 0; frame < burst; ++frame) {
        const std::vector<iovec>& pieces = frames_[frame];
        if (::writev(tap_.get(), pieces.data(), static_cast<int>(pieces.size())) < 0) {
          Fail("writev");
        }
      }
    }
  }

  const Fd tap_;
  const std::unique_ptr<NetDevice> device_;
  Rig rig_;
  std::vector<std::vector<iovec>> frames_;
  uint64_t sent_ = 0;  // by the device
};

int Run(uint32_t rounds) {
  Bench bench;
  std::printf("{");
  bench.Run("tx_1514", PlainFrames(), rounds);
  std::printf(", ");
  bench.Run("tx_gso", LargeSegments(), rounds);
  std::printf("}\n");
  return 0;
}

}  // namespace
}  // namespace ember::virtio::testing

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: net_probe ROUNDS\n");
    return 2;
  }
  return ember::virtio::testing::Run(static_cast<uint32_t>(std::atoi(argv[1])));
}
