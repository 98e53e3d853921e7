#ifndef EMBER_MMDS_RESPONDER_H_
#define EMBER_MMDS_RESPONDER_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/clock.h"
#include "base/mac_address.h"
#include "mmds/guest_service.h"
#include "mmds/ipv4_address.h"
#include "mmds/packet.h"
#include "mmds/random.h"
#include "mmds/tcp_server.h"

namespace ember::mmds {

// The metadata service as a station on one interface's link: takes those of the guest's frames that
// are for its address, and makes frames for the guest. Everything it keeps is bounded, whatever
// comes. One thread at a time.
class Responder {
 public:
  static constexpr MacAddress kMacAddress{{0x06, 0x01, 0x23, 0x45, 0x67, 0x01}};
  // Enough of a frame to see whether it is ours, and the longest we make.
  static constexpr size_t kHeadBytes = kEthernetHeaderBytes + kArpBytes;
  static constexpr size_t kMaxFrameBytes = 1514;

  struct Options {
    Ipv4Address address = kDefaultAddress;
    std::optional<uint16_t> mtu;  // of the interface; 1500 where it is more, or not given
    const Clock* clock = &MonotonicClock();
    FillRandom random = FillFromKernel;
  };
  // The service must outlive the responder.
  Responder(GuestService& service, const Options& options);

  // Whether a frame that begins so is for the service: a packet to its address, or a question who
  // has it. `head` is the frame's first kHeadBytes, or all of a shorter one.
  bool IsOurs(std::span<const std::byte> head) const;
  // Takes a frame, which should be ours; what is not sound is counted and dropped.
  void Accept(std::span<const std::byte> frame, TcpChecksum checksum);

  // Writes the next frame for the guest; returns its size, 0 where there is none now.
  size_t Next(std::span<std::byte, kMaxFrameBytes> out);
  // How long until Next() may have a frame, if none comes in; 0: now. Nothing: never.
  std::optional<std::chrono::nanoseconds> NextIn() const;
  // Forgets all that was said, as when a guest begins anew.
  void Reset();

 private:
  void AcceptArp(std::span<const std::byte> payload);
  void AcceptIpv4(const MacAddress& source, std::span<const std::byte> payload,
                  TcpChecksum checksum);
  size_t WriteArp(std::span<std::byte, kMaxFrameBytes> out);

  GuestService& service_;
  const Ipv4Address address_;
  const Clock& clock_;
  TcpServer tcp_;
  std::optional<ArpRequest> asked_;  // and not answered: the last who asked
};

}  // namespace ember::mmds

#endif  // EMBER_MMDS_RESPONDER_H_
