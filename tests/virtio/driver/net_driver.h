#ifndef EMBER_TESTS_VIRTIO_DRIVER_NET_DRIVER_H_
#define EMBER_TESTS_VIRTIO_DRIVER_NET_DRIVER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "tests/virtio/driver/driver_ring.h"
#include "tests/virtio/driver/rig.h"

namespace ember::virtio::testing {

// Bits and fields as the specification prints them (virtio 1.2, 5.1.3 to 5.1.6).
inline constexpr uint64_t kNetCsum = uint64_t{1} << 0;
inline constexpr uint64_t kNetGuestCsum = uint64_t{1} << 1;
inline constexpr uint64_t kNetMtu = uint64_t{1} << 3;
inline constexpr uint64_t kNetMac = uint64_t{1} << 5;
inline constexpr uint64_t kNetGuestTso4 = uint64_t{1} << 7;
inline constexpr uint64_t kNetHostTso4 = uint64_t{1} << 11;
inline constexpr uint64_t kNetHostTso6 = uint64_t{1} << 12;
inline constexpr uint64_t kNetHostEcn = uint64_t{1} << 13;
inline constexpr uint64_t kNetHostUfo = uint64_t{1} << 14;
inline constexpr uint64_t kNetMergeable = uint64_t{1} << 15;
inline constexpr uint64_t kNetStatus = uint64_t{1} << 16;
inline constexpr uint64_t kNetControl = uint64_t{1} << 17;
inline constexpr uint64_t kNetMultiQueue = uint64_t{1} << 22;

struct PacketHeader {
  uint8_t flags = 0;
  uint8_t gso_type = 0;
  uint16_t hdr_len = 0;
  uint16_t gso_size = 0;
  uint16_t csum_start = 0;
  uint16_t csum_offset = 0;
  uint16_t num_buffers = 0;
};
static_assert(sizeof(PacketHeader) == 12);

struct Packet {
  PacketHeader header;
  std::vector<std::byte> frame;
  std::vector<uint32_t> used_lens;  // of each buffer, as the device gave it
};

// A network driver over a Rig: lays packets out in guest memory and puts them together again.
class NetDriver {
 public:
  struct Options {
    uint64_t features = 0;  // beside VERSION_1
    uint16_t queue_size = 64;
    uint16_t pairs = 1;  // set up; more than one needs kNetMultiQueue and kNetControl
  };

  // From reset to DRIVER_OK.
  NetDriver(Rig& rig, const Options& options);

  DriverRing& receive_ring(uint16_t pair = 0) { return *rings_[2 * size_t{pair}]; }
  DriverRing& transmit_ring(uint16_t pair = 0) { return *rings_[2 * size_t{pair} + 1]; }

  // Makes `count` buffers of `len` bytes available, each in pieces of at most `piece_len`.
  void Offer(size_t count, uint32_t len, uint32_t piece_len = UINT32_MAX, uint16_t pair = 0);
  void KickReceive(uint16_t pair = 0);
  // The next packet that came, over as many buffers as its header says.
  std::optional<Packet> Take(uint16_t pair = 0);

  // Puts a packet into the ring in one buffer, or in such of the lengths and the rest.
  void Put(const PacketHeader& header, std::span<const std::byte> frame,
           std::span<const uint32_t> lens = {}, uint16_t pair = 0);
  void KickTransmit(uint16_t pair = 0);
  // Put(), KickTransmit() and Pump().
  void Send(const PacketHeader& header, std::span<const std::byte> frame);
  void Send(std::span<const std::byte> frame) { Send(PacketHeader{}, frame); }
  // How many transmitted packets came back.
  size_t Reclaim(uint16_t pair = 0);

  // A command on the control queue, the answer's byte; 0xee where there was none.
  uint8_t Command(std::span<const std::byte> command);
  uint8_t UsePairs(uint16_t count);

  uint16_t link_status() const;
  bool needs_reset() const { return (rig_.driver.status() & kNeedsReset) != 0; }

 private:
  struct Buffer {
    GuestAddress at{};
    uint32_t len = 0;
  };

  void Kick(size_t queue);

  Rig& rig_;
  const uint16_t control_index_;
  std::vector<std::unique_ptr<DriverRing>> rings_;
  std::optional<DriverRing> control_;
  std::map<std::pair<uint16_t, uint32_t>, Buffer> offered_;  // by pair and head
  std::map<uint32_t, std::vector<GuestAddress>> spare_;      // receive buffers by length
  GuestAddress transmit_area_;
  uint64_t transmit_used_ = 0;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_DRIVER_NET_DRIVER_H_
