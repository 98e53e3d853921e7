#ifndef EMBER_MMDS_PACKET_H_
#define EMBER_MMDS_PACKET_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/mac_address.h"
#include "mmds/ipv4_address.h"

// Ethernet frames with ARP, IPv4 and TCP in them, read from hostile bytes and written. Pure
// functions; what is read borrows from the bytes. Numbers are the host's, not the network's.
namespace ember::mmds {

inline constexpr size_t kEthernetHeaderBytes = 14;
inline constexpr size_t kArpBytes = 28;
inline constexpr size_t kIpv4HeaderBytes = 20;  // without options, as we write it
inline constexpr size_t kTcpHeaderBytes = 20;   // likewise

enum class EtherType : uint16_t { kIpv4 = 0x0800, kArp = 0x0806 };
inline constexpr uint8_t kProtocolTcp = 6;

struct EthernetHeader {
  MacAddress destination;
  MacAddress source;
  EtherType type{};
};
// Nothing where the frame is too short for one.
std::optional<EthernetHeader> ReadEthernet(std::span<const std::byte> frame);
void WriteEthernet(const EthernetHeader& header, std::span<std::byte> frame);

// Who asks for a hardware address, and whose (RFC 826).
struct ArpRequest {
  MacAddress sender_mac;
  Ipv4Address sender;
  Ipv4Address target;
};
// Nothing where the payload is no request between Ethernet and IPv4.
std::optional<ArpRequest> ReadArpRequest(std::span<const std::byte> payload);
// The answer: the target's hardware address is `mac`. kArpBytes.
void WriteArpReply(const ArpRequest& request, const MacAddress& mac, std::span<std::byte> payload);

struct Ipv4Packet {
  Ipv4Address source;
  Ipv4Address destination;
  uint8_t protocol = 0;
  bool fragment = false;  // a piece of a packet
  std::span<const std::byte> payload;
};
// Nothing where the header is not sound (RFC 791, 3.1), its checksum included.
std::optional<Ipv4Packet> ReadIpv4(std::span<const std::byte> bytes);
// The header of a packet with `payload_bytes` behind it.
void WriteIpv4(const Ipv4Address& source, const Ipv4Address& destination, size_t payload_bytes,
               std::span<std::byte> out);

struct TcpFlags {
  static constexpr uint8_t kFin = 0x01;
  static constexpr uint8_t kSyn = 0x02;
  static constexpr uint8_t kRst = 0x04;
  static constexpr uint8_t kPsh = 0x08;
  static constexpr uint8_t kAck = 0x10;
};

struct TcpSegment {
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint32_t sequence = 0;
  uint32_t acknowledgment = 0;
  uint8_t flags = 0;
  uint16_t window = 0;
  std::optional<uint16_t> max_segment_bytes;  // the option of that name (RFC 9293, 3.7.1)
  std::span<const std::byte> payload;

  bool Has(uint8_t flag) const { return (flags & flag) != 0; }
  // Of the sequence space: bytes, SYN and FIN.
  uint32_t length() const {
    return static_cast<uint32_t>(payload.size()) + (Has(TcpFlags::kSyn) ? 1U : 0U) +
           (Has(TcpFlags::kFin) ? 1U : 0U);
  }
};

// Whether the sender left a segment's checksum to its device.
enum class TcpChecksum : uint8_t { kWhole, kPartial };

// Nothing where the segment is not sound, a whole checksum included.
std::optional<TcpSegment> ReadTcp(const Ipv4Packet& packet, TcpChecksum checksum);
// Writes header, option and payload, with the checksum. Returns how many bytes; there is room.
size_t WriteTcp(const TcpSegment& segment, const Ipv4Address& source,
                const Ipv4Address& destination, std::span<std::byte> out);

}  // namespace ember::mmds

#endif  // EMBER_MMDS_PACKET_H_
