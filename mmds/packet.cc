#include "mmds/packet.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/endian.h"

namespace ember::mmds {
namespace {

constexpr uint16_t kArpHardwareEthernet = 1;
constexpr uint16_t kArpRequest = 1;
constexpr uint16_t kArpReply = 2;

constexpr uint16_t kDontFragment = 0x4000;
constexpr uint16_t kFragmentBits = 0x3fff;  // more fragments, and the offset
constexpr uint8_t kTimeToLive = 64;

constexpr size_t kSynOptionBytes = 4;
constexpr uint8_t kOptionEnd = 0;
constexpr uint8_t kOptionNothing = 1;
constexpr uint8_t kOptionMaxSegment = 2;

// The Internet's checksum (RFC 1071). All pieces but the last have an even number of bytes.
class Checksum {
 public:
  void Add(std::span<const std::byte> bytes) {
    for (; bytes.size() >= 2; bytes = bytes.subspan(2)) sum_ += LoadBe<uint16_t>(bytes);
    if (!bytes.empty()) sum_ += std::to_integer<uint32_t>(bytes[0]) << 8;
  }
  void Add(uint16_t value) { sum_ += value; }
  uint16_t Value() const {
    uint64_t sum = sum_;
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(~sum);
  }

 private:
  uint64_t sum_ = 0;
};

Checksum OfPseudoHeader(const Ipv4Address& source, const Ipv4Address& destination, size_t bytes) {
  Checksum sum;
  sum.Add(std::as_bytes(std::span(source.octets)));
  sum.Add(std::as_bytes(std::span(destination.octets)));
  sum.Add(kProtocolTcp);
  sum.Add(static_cast<uint16_t>(bytes));
  return sum;
}

// Octets of an address; the bytes are there.
template <typename Address>
Address LoadAddress(std::span<const std::byte> bytes) {
  Address address;
  EMBER_CHECK(bytes.size() >= address.octets.size());
  std::memcpy(address.octets.data(), bytes.data(), address.octets.size());
  return address;
}
template <typename Address>
void StoreAddress(const Address& address, std::span<std::byte> out) {
  EMBER_CHECK(out.size() >= address.octets.size());
  std::memcpy(out.data(), address.octets.data(), address.octets.size());
}

// What the options say; nothing, too, where they are broken off.
std::optional<uint16_t> FindMaxSegment(std::span<const std::byte> options) {
  while (!options.empty()) {
    const auto kind = std::to_integer<uint8_t>(options[0]);
    if (kind == kOptionEnd) break;
    if (kind == kOptionNothing) {
      options = options.subspan(1);
      continue;
    }
    if (options.size() < 2) break;
    const auto length = std::to_integer<size_t>(options[1]);
    if (length < 2 || length > options.size()) break;
    if (kind == kOptionMaxSegment && length == kSynOptionBytes) {
      return LoadBe<uint16_t>(options.subspan(2));
    }
    options = options.subspan(length);
  }
  return std::nullopt;
}

}  // namespace

std::optional<EthernetHeader> ReadEthernet(std::span<const std::byte> frame) {
  if (frame.size() < kEthernetHeaderBytes) return std::nullopt;
  return EthernetHeader{.destination = LoadAddress<MacAddress>(frame),
                        .source = LoadAddress<MacAddress>(frame.subspan(6)),
                        .type = EtherType{LoadBe<uint16_t>(frame.subspan(12))}};
}

void WriteEthernet(const EthernetHeader& header, std::span<std::byte> frame) {
  StoreAddress(header.destination, frame);
  StoreAddress(header.source, frame.subspan(6));
  StoreBe(static_cast<uint16_t>(header.type), frame.subspan(12));
}

std::optional<ArpRequest> ReadArpRequest(std::span<const std::byte> payload) {
  if (payload.size() < kArpBytes) return std::nullopt;
  const bool sound =
      LoadBe<uint16_t>(payload) == kArpHardwareEthernet &&
      LoadBe<uint16_t>(payload.subspan(2)) == static_cast<uint16_t>(EtherType::kIpv4) &&
      payload[4] == std::byte{6} && payload[5] == std::byte{4} &&
      LoadBe<uint16_t>(payload.subspan(6)) == kArpRequest;
  if (!sound) return std::nullopt;
  return ArpRequest{.sender_mac = LoadAddress<MacAddress>(payload.subspan(8)),
                    .sender = LoadAddress<Ipv4Address>(payload.subspan(14)),
                    .target = LoadAddress<Ipv4Address>(payload.subspan(24))};
}

void WriteArpReply(const ArpRequest& request, const MacAddress& mac, std::span<std::byte> payload) {
  StoreBe(kArpHardwareEthernet, payload);
  StoreBe(static_cast<uint16_t>(EtherType::kIpv4), payload.subspan(2));
  payload[4] = std::byte{6};
  payload[5] = std::byte{4};
  StoreBe(kArpReply, payload.subspan(6));
  StoreAddress(mac, payload.subspan(8));
  StoreAddress(request.target, payload.subspan(14));
  StoreAddress(request.sender_mac, payload.subspan(18));
  StoreAddress(request.sender, payload.subspan(24));
}

std::optional<Ipv4Packet> ReadIpv4(std::span<const std::byte> bytes) {
  if (bytes.size() < kIpv4HeaderBytes) return std::nullopt;
  const auto first = std::to_integer<uint8_t>(bytes[0]);
  const size_t header_bytes = size_t{first & 0x0fU} * 4;
  const size_t total_bytes = LoadBe<uint16_t>(bytes.subspan(2));
  if (first >> 4 != 4 || header_bytes < kIpv4HeaderBytes || total_bytes < header_bytes ||
      total_bytes > bytes.size()) {
    return std::nullopt;
  }
  Checksum sum;
  sum.Add(bytes.first(header_bytes));
  if (sum.Value() != 0) return std::nullopt;
  return Ipv4Packet{.source = LoadAddress<Ipv4Address>(bytes.subspan(12)),
                    .destination = LoadAddress<Ipv4Address>(bytes.subspan(16)),
                    .protocol = std::to_integer<uint8_t>(bytes[9]),
                    .fragment = (LoadBe<uint16_t>(bytes.subspan(6)) & kFragmentBits) != 0,
                    .payload = bytes.first(total_bytes).subspan(header_bytes)};
}

void WriteIpv4(const Ipv4Address& source, const Ipv4Address& destination, size_t payload_bytes,
               std::span<std::byte> out) {
  const std::span<std::byte> header = out.first(kIpv4HeaderBytes);
  std::ranges::fill(header, std::byte{0});
  header[0] = std::byte{0x45};
  StoreBe(static_cast<uint16_t>(kIpv4HeaderBytes + payload_bytes), header.subspan(2));
  StoreBe(kDontFragment, header.subspan(6));
  header[8] = std::byte{kTimeToLive};
  header[9] = std::byte{kProtocolTcp};
  StoreAddress(source, header.subspan(12));
  StoreAddress(destination, header.subspan(16));
  Checksum sum;
  sum.Add(header);
  StoreBe(sum.Value(), header.subspan(10));
}

std::optional<TcpSegment> ReadTcp(const Ipv4Packet& packet, TcpChecksum checksum) {
  const std::span<const std::byte> bytes = packet.payload;
  if (bytes.size() < kTcpHeaderBytes) return std::nullopt;
  const size_t header_bytes = std::to_integer<size_t>(bytes[12] >> 4) * 4;
  if (header_bytes < kTcpHeaderBytes || header_bytes > bytes.size()) return std::nullopt;
  if (checksum == TcpChecksum::kWhole) {
    Checksum sum = OfPseudoHeader(packet.source, packet.destination, bytes.size());
    sum.Add(bytes);
    if (sum.Value() != 0) return std::nullopt;
  }
  return TcpSegment{
      .source_port = LoadBe<uint16_t>(bytes),
      .destination_port = LoadBe<uint16_t>(bytes.subspan(2)),
      .sequence = LoadBe<uint32_t>(bytes.subspan(4)),
      .acknowledgment = LoadBe<uint32_t>(bytes.subspan(8)),
      .flags = std::to_integer<uint8_t>(bytes[13]),
      .window = LoadBe<uint16_t>(bytes.subspan(14)),
      .max_segment_bytes = FindMaxSegment(bytes.first(header_bytes).subspan(kTcpHeaderBytes)),
      .payload = bytes.subspan(header_bytes)};
}

size_t WriteTcp(const TcpSegment& segment, const Ipv4Address& source,
                const Ipv4Address& destination, std::span<std::byte> out) {
  const size_t header_bytes =
      kTcpHeaderBytes + (segment.max_segment_bytes ? kSynOptionBytes : size_t{0});
  const std::span<std::byte> bytes = out.first(header_bytes + segment.payload.size());
  std::ranges::fill(bytes.first(header_bytes), std::byte{0});
  StoreBe(segment.source_port, bytes);
  StoreBe(segment.destination_port, bytes.subspan(2));
  StoreBe(segment.sequence, bytes.subspan(4));
  StoreBe(segment.acknowledgment, bytes.subspan(8));
  bytes[12] = static_cast<std::byte>(header_bytes / 4 << 4);
  bytes[13] = std::byte{segment.flags};
  StoreBe(segment.window, bytes.subspan(14));
  if (segment.max_segment_bytes) {
    bytes[kTcpHeaderBytes] = std::byte{kOptionMaxSegment};
    bytes[kTcpHeaderBytes + 1] = std::byte{kSynOptionBytes};
    StoreBe(*segment.max_segment_bytes, bytes.subspan(kTcpHeaderBytes + 2));
  }
  std::ranges::copy(segment.payload, bytes.subspan(header_bytes).begin());
  Checksum sum = OfPseudoHeader(source, destination, bytes.size());
  sum.Add(bytes);
  StoreBe(sum.Value(), bytes.subspan(16));
  return bytes.size();
}

}  // namespace ember::mmds
