// net_probe ROUNDS: how fast frames get from a driver's ring to a tap, beside writes to the same
// tap without a device. Makes a network of its own, so it needs root; nobody takes the frames from
// the tap. Prints the frames a second of each round, the two in turn:
//   {"tx_1514": […], "tx_1514_bare": […], "tx_gso": […], "tx_gso_bare": […]}
// tx_gso is of TCP segments of 64 KiB that the kernel is asked to cut. The driver shows a burst at
// a time and rings as a guest without ioeventfd does; its table was written once.
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "base/fd.h"
#include "tests/virtio/driver/driver_ring.h"
#include "tests/virtio/driver/net_driver.h"
#include "tests/virtio/driver/rig.h"
#include "virtio/net/net_device.h"
#include "virtio/net/tap.h"

namespace ember::virtio::testing {
namespace {

constexpr const char* kTapName = "bench0";
constexpr uint16_t kQueueSize = 256;
constexpr QueueIndex kTransmitQueue{1};
constexpr uint32_t kPageBytes = 4096;
constexpr uint32_t kGsoHeaders = 14 + 20 + 20;

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

// A tap, up, in a network of this process's own.
Fd MakeTap() {
  if (::unshare(CLONE_NEWNET) < 0) Fail("net_probe: unshare");
  Fd tap(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  ifreq request{};
  std::copy_n(kTapName, std::strlen(kTapName), request.ifr_name);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (::ioctl(tap.get(), TUNSETIFF, &request) < 0) Fail("net_probe: TUNSETIFF");
  const Fd control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  request.ifr_flags = IFF_UP;
  if (::ioctl(control.get(), SIOCSIFFLAGS, &request) < 0) Fail("net_probe: SIOCSIFFLAGS");
  return tap;
}

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
  return {.header = {.flags = 1,
                     .gso_type = 1,
                     .hdr_len = kGsoHeaders,
                     .gso_size = 1448,
                     .csum_start = 34,
                     .csum_offset = 16},
          .lens = lens,
          .bursts = 400};
}

// IPv4 and TCP, to nobody's address: the host drops it once it is through the tap.
void WriteHeaders(const PacketHeader& header, std::span<std::byte> first) {
  std::memcpy(first.data(), &header, sizeof(header));
  const std::span<std::byte> frame = first.subspan(sizeof(header));
  const std::array<uint8_t, 24> start{2, 0, 0,    0, 0,    9,    2, 0, 0,    0, 0,  1,
                                      8, 0, 0x45, 0, 0xff, 0xf2, 0, 0, 0x40, 0, 64, 6};
  std::memcpy(frame.data(), start.data(), start.size());
  frame[46] = std::byte{0x50};
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
      const double rate = Measure(kind.bursts * burst, [&] { Show(transmit, kind, burst, shown); });
      const double bare = Measure(kind.bursts * burst, [&] { Write(kind, burst); });
      if (round == 0) continue;  // warms up
      rates.push_back(rate);
      bare_rates.push_back(bare);
    }
    const uint64_t wanted = sent_ + uint64_t{burst} * kind.bursts * (rounds + 1U);
    sent_ = device_->metrics().tx_count.value();
    if (sent_ != wanted) Fail("net_probe: not every frame reached the tap");
    Print(name, "", rates, ", ");
    Print(name, "_bare", bare_rates, "");
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
      WriteHeaders(kind.header, rig_.ram.Bytes(segments.front().at, segments.front().len));
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
          Fail("net_probe: writev");
        }
      }
    }
  }

  template <typename Work>
  static double Measure(uint32_t frames, Work work) {
    const auto began = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    return frames / took.count();
  }

  static void Print(const char* name, const char* suffix, const std::vector<double>& values,
                    const char* after) {
    std::printf("\"%s%s\": [", name, suffix);
    for (size_t i = 0; i < values.size(); ++i) std::printf("%s%.0f", i > 0 ? ", " : "", values[i]);
    std::printf("]%s", after);
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
