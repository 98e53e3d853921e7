#ifndef EMBER_TESTS_BENCH_BENCH_TAP_H_
#define EMBER_TESTS_BENCH_BENCH_TAP_H_

#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "base/fd.h"
#include "tests/virtio/driver/net_driver.h"

// What the probes of the network device share: a tap, frames for it, and how figures are told.
namespace ember::virtio::testing {

inline constexpr const char* kTapName = "bench0";
inline constexpr uint32_t kGsoHeaders = 14 + 20 + 20;
// TCP segments that the kernel is asked to cut.
inline constexpr PacketHeader kLargeSegment{.flags = 1,
                                            .gso_type = 1,
                                            .hdr_len = kGsoHeaders,
                                            .gso_size = 1448,
                                            .csum_start = 34,
                                            .csum_offset = 16};

[[noreturn]] inline void Fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

// A tap, up, in a network of this process's own, in which nobody else sends: needs root.
inline Fd MakeTap() {
  if (::unshare(CLONE_NEWNET) < 0) Fail("unshare");
  // Fails only where there is no IPv6, which is as good.
  if (const Fd ipv6{::open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC)};
      ipv6.valid()) {
    static_cast<void>(::write(ipv6.get(), "1", 1) < 0);
  }
  Fd tap(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  ifreq request{};
  std::copy_n(kTapName, std::strlen(kTapName), request.ifr_name);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (::ioctl(tap.get(), TUNSETIFF, &request) < 0) Fail("TUNSETIFF");
  const Fd control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  request.ifr_flags = IFF_UP;
  if (::ioctl(control.get(), SIOCSIFFLAGS, &request) < 0) Fail("SIOCSIFFLAGS");
  return tap;
}

// The virtio header and those of IPv4 and TCP of a frame of that length, to nobody's address: a
// host that gets it drops it.
inline void WriteHeaders(const PacketHeader& header, uint32_t frame_bytes,
                         std::span<std::byte> first) {
  std::memcpy(first.data(), &header, sizeof(header));
  const std::span<std::byte> frame = first.subspan(sizeof(header));
  const uint32_t packet_bytes = frame_bytes - ETH_HLEN;
  // clang-format off
  const std::array<uint8_t, 24> start{
      2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 8, 0,  // Ethernet
      0x45, 0, static_cast<uint8_t>(packet_bytes >> 8), static_cast<uint8_t>(packet_bytes),
      0, 0, 0x40, 0, 64, 6};
  // clang-format on
  std::memcpy(frame.data(), start.data(), start.size());
  frame[46] = std::byte{0x50};
}

template <typename Work>
std::chrono::duration<double> Measure(Work work) {
  const auto began = std::chrono::steady_clock::now();
  work();
  return std::chrono::steady_clock::now() - began;
}

inline void PrintRates(const char* name, const char* suffix, const std::vector<double>& values,
                       const char* after) {
  std::printf("\"%s%s\": [", name, suffix);
  for (size_t i = 0; i < values.size(); ++i) std::printf("%s%.0f", i > 0 ? ", " : "", values[i]);
  std::printf("]%s", after);
}

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_BENCH_BENCH_TAP_H_
