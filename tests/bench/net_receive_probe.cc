// net_receive_probe ROUNDS: how fast frames get from a tap to a driver's ring, beside reads of the
// same tap without a device. Makes a network of its own, so it needs root. Prints the frames a
// second of processor time of each round, the two in turn:
//   {"rx_1514": […], "rx_1514_bare": […], "rx_gso": […], "rx_gso_bare": […]}
// rx_gso is of TCP segments of nearly 64 KiB, the longest that the kernel does not cut. The host's
// end puts a burst into the tap, which is not timed; then the burst is taken out, into buffers as
// Linux offers them.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
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
// More than a burst ever takes.
constexpr int kMaxTurns = 1000;
constexpr uint32_t kHeaderBytes = sizeof(PacketHeader);

// One kind of frame, and how many buffers of what length it fills.
struct Kind {
  PacketHeader header;
  uint32_t frame_bytes;
  uint32_t buffer_bytes;
  uint16_t buffers;
  uint16_t burst;  // as many as fit the ring, one buffer left
  uint32_t bursts;
};
constexpr Kind kPlainFrames{.header = {},
                            .frame_bytes = 1514,
                            .buffer_bytes = 1536,
                            .buffers = 1,
                            .burst = 255,
                            .bursts = 200};
constexpr Kind kLargeSegments{.header = kLargeSegment,
                              .frame_bytes = kGsoHeaders + 45 * 1448,
                              .buffer_bytes = 4096,
                              .buffers = 16,
                              .burst = 15,
                              .bursts = 400};

// The host's end of the tap: what is sent here is there to be read from it.
class HostEnd {
 public:
  explicit HostEnd(const Kind& kind)
      : socket_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)),
        packet_(kHeaderBytes + kind.frame_bytes) {
    // Its header is the short one, without num_buffers (linux/virtio_net.h, virtio_net_hdr).
    const int on = 1;
    if (::setsockopt(socket_.get(), SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) < 0) {
      Fail("PACKET_VNET_HDR");
    }
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_IP);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(kTapName));
    // A sockaddr_ll is a sockaddr, as the call takes them.
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) < 0) {
      Fail("bind");
    }
    WriteHeaders(kind.header, kind.frame_bytes, packet_);
  }

  void Send() {
    const std::span<std::byte> frame = std::span(packet_).subspan(kHeaderBytes);
    iovec pieces[] = {{.iov_base = packet_.data(), .iov_len = kShortHeaderBytes},
                      {.iov_base = frame.data(), .iov_len = frame.size()}};
    if (::writev(socket_.get(), pieces, 2) < 0) Fail("writev");
  }

 private:
  static constexpr size_t kShortHeaderBytes = 10;

  const Fd socket_;
  std::vector<std::byte> packet_;
};

class Bench {
 public:
  Bench()
      : tap_(MakeTap()),
        device_(*NetDevice::Create(*Tap::Inherit(tap_.get()), {.interface_id = "bench"})),
        rig_(*device_) {}

  void Run(const char* name, const Kind& kind, uint32_t rounds) {
    DriverRing receive(rig_.ram, kQueueSize, /*event_index=*/true);
    DriverRing transmit(rig_.ram, kQueueSize, /*event_index=*/true);
    rig_.driver.Negotiate(kVersion1Feature | kEventIndexFeature64 | kNetGuestCsum | kNetGuestTso4 |
                          kNetMergeable);
    rig_.driver.EnableQueue(0, receive.place());
    rig_.driver.EnableQueue(1, transmit.place());
    rig_.driver.AddStatus(kDriverOk);
    Offer(receive, kind);
    HostEnd host(kind);
    std::vector<double> rates, bare_rates;
    for (uint32_t round = 0; round <= rounds; ++round) {
      const double rate = Rate(kind, host, [&] { Receive(receive, kind); });
      const double bare = Rate(kind, host, [&] { Read(kind); });
      if (round == 0) continue;  // warms up
      rates.push_back(rate);
      bare_rates.push_back(bare);
    }
    PrintRates(name, "", rates, ", ");
    PrintRates(name, "_bare", bare_rates, "");
    rig_.driver.Write(reg::kStatus, 0);
  }

 private:
  // Every descriptor a buffer of its own. They come back in order, so that the available ring, once
  // written, goes round with them.
  void Offer(DriverRing& ring, const Kind& kind) {
    room_.clear();
    for (uint16_t i = 0; i < kQueueSize; ++i) {
      const GuestAddress at = rig_.ram.Allocate(kind.buffer_bytes, 64);
      ring.Add({Segment{at, kind.buffer_bytes, true}});
      room_.push_back({rig_.ram.Bytes(at, kind.buffer_bytes).data(), kind.buffer_bytes});
    }
    if (ring.Publish()) rig_.driver.Notify(0);
    rig_.Pump();
  }

  // Of this thread, which does all the work.
  static std::chrono::nanoseconds ProcessorTime() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  }

  template <typename Work>
  double Rate(const Kind& kind, HostEnd& host, Work work) {
    std::chrono::duration<double> took{};
    for (uint32_t i = 0; i < kind.bursts; ++i) {
      for (uint16_t frame = 0; frame < kind.burst; ++frame) host.Send();
      const std::chrono::nanoseconds began = ProcessorTime();
      work();
      took += ProcessorTime() - began;
    }
    return double{1} * kind.bursts * kind.burst / took.count();
  }

  // The driver looks for one burst, and then offers its buffers again.
  void Receive(DriverRing& ring, const Kind& kind) {
    const auto buffers = static_cast<uint16_t>(kind.burst * kind.buffers);
    const auto wanted = static_cast<uint16_t>(used_ + buffers);
    for (int turns = 0; ring.used_index() != wanted; ++turns) {
      if (turns == kMaxTurns) Fail("not every frame reached the ring");
      rig_.state().ProcessHostEvents();
    }
    used_ = wanted;
    ring.SetAvailableIndex(static_cast<uint16_t>(used_ + kQueueSize));
  }

  void Read(const Kind& kind) {
    size_t next = 0;
    for (uint16_t frame = 0; frame < kind.burst; ++frame) {
      const ssize_t read = ::readv(tap_.get(), &room_[next], kind.buffers);
      if (read != static_cast<ssize_t>(kHeaderBytes + kind.frame_bytes)) Fail("readv");
      next += kind.buffers;
    }
  }

  const Fd tap_;
  const std::unique_ptr<NetDevice> device_;
  Rig rig_;
  std::vector<iovec> room_;  // the buffers
  uint16_t used_ = 0;
};

void Run(const char* name, const Kind& kind, uint32_t rounds) {
  Bench bench;
  bench.Run(name, kind, rounds);
}

}  // namespace
}  // namespace ember::virtio::testing

int main(int argc, char** argv) {
  using namespace ember::virtio::testing;
  if (argc != 2) {
    std::fprintf(stderr, "usage: net_receive_probe ROUNDS\n");
    return 2;
  }
  const auto rounds = static_cast<uint32_t>(std::atoi(argv[1]));
  std::printf("{");
  Run("rx_1514", kPlainFrames, rounds);
  std::printf(", ");
  Run("rx_gso", kLargeSegments, rounds);
  std::printf("}\n");
  return 0;
}
