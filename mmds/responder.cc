#include "mmds/responder.h"

#include <algorithm>
#include <cstring>

#include "base/endian.h"

namespace ember::mmds {
namespace {

constexpr uint16_t kMaxMtu = Responder::kMaxFrameBytes - kEthernetHeaderBytes;
constexpr uint16_t kMinMtu = 68;  // RFC 791, 3.2

// Where a frame has the IPv4 address that it is for.
constexpr size_t kTypeOffset = 12;
constexpr size_t kIpv4DestinationOffset = kEthernetHeaderBytes + 16;
constexpr size_t kArpTargetOffset = kEthernetHeaderBytes + 24;

uint16_t MaxSegment(std::optional<uint16_t> mtu) {
  const uint16_t used = std::clamp(mtu.value_or(kMaxMtu), kMinMtu, kMaxMtu);
  return static_cast<uint16_t>(used - kIpv4HeaderBytes - kTcpHeaderBytes);
}

}  // namespace

Responder::Responder(GuestService& service, const Options& options)
    : service_(service),
      address_(options.address),
      clock_(*options.clock),
      tcp_(service, {.max_segment_bytes = MaxSegment(options.mtu), .random = options.random}) {}

bool Responder::IsOurs(std::span<const std::byte> head) const {
  if (head.size() < kTypeOffset + sizeof(uint16_t)) return false;
  size_t offset = 0;
  switch (EtherType{LoadBe<uint16_t>(head.subspan(kTypeOffset))}) {
    case EtherType::kIpv4:
      offset = kIpv4DestinationOffset;
      break;
    case EtherType::kArp:
      offset = kArpTargetOffset;
      break;
    default:
      return false;
  }
  return head.size() >= offset + address_.octets.size() &&
         std::memcmp(head.data() + offset, address_.octets.data(), address_.octets.size()) == 0;
}

void Responder::Accept(std::span<const std::byte> frame, TcpChecksum checksum) {
  MmdsMetrics& metrics = service_.metrics();
  metrics.rx_accepted.Add();
  const std::optional<EthernetHeader> ethernet = ReadEthernet(frame);
  if (!ethernet) return metrics.rx_bad_eth.Add();
  const std::span<const std::byte> payload = frame.subspan(kEthernetHeaderBytes);
  if (ethernet->type == EtherType::kArp) return AcceptArp(payload);
  if (ethernet->type == EtherType::kIpv4) return AcceptIpv4(ethernet->source, payload, checksum);
  metrics.rx_accepted_err.Add();
}

void Responder::AcceptArp(std::span<const std::byte> payload) {
  const std::optional<ArpRequest> request = ReadArpRequest(payload);
  // A guest that tells others it has the address itself is not asking.
  if (!request || request->target != address_ || request->sender == address_) {
    return service_.metrics().rx_accepted_err.Add();
  }
  asked_ = request;
}

void Responder::AcceptIpv4(const MacAddress& source, std::span<const std::byte> payload,
                           TcpChecksum checksum) {
  MmdsMetrics& metrics = service_.metrics();
  const std::optional<Ipv4Packet> packet = ReadIpv4(payload);
  // The second look at what the guest can change meanwhile.
  if (!packet || packet->destination != address_) return metrics.rx_accepted_err.Add();
  if (packet->protocol != kProtocolTcp || packet->fragment) {
    return metrics.rx_accepted_unusual.Add();
  }
  const std::optional<TcpSegment> segment = ReadTcp(*packet, checksum);
  if (!segment) return metrics.rx_accepted_err.Add();
  metrics.rx_count.Add();
  tcp_.Receive({.mac = source, .address = packet->source, .port = segment->source_port}, *segment,
               clock_.Now());
}

size_t Responder::Next(std::span<std::byte, kMaxFrameBytes> out) {
  // The common case, for each frame of a device that has a network, too.
  if (!asked_ && tcp_.idle()) return 0;
  size_t bytes = 0;
  if (asked_) {
    bytes = WriteArp(out);
  } else if (const auto outgoing = tcp_.Next(clock_.Now())) {
    const TcpServer::Peer& peer = outgoing->peer;
    WriteEthernet({.destination = peer.mac, .source = kMacAddress, .type = EtherType::kIpv4}, out);
    const std::span<std::byte> packet = out.subspan(kEthernetHeaderBytes);
    const size_t segment_bytes =
        WriteTcp(outgoing->segment, address_, peer.address, packet.subspan(kIpv4HeaderBytes));
    WriteIpv4(address_, peer.address, segment_bytes, packet);
    bytes = kEthernetHeaderBytes + kIpv4HeaderBytes + segment_bytes;
  }
  if (bytes == 0) return 0;
  MmdsMetrics& metrics = service_.metrics();
  metrics.tx_count.Add();
  metrics.tx_frames.Add();
  metrics.tx_bytes.Add(bytes);
  return bytes;
}

size_t Responder::WriteArp(std::span<std::byte, kMaxFrameBytes> out) {
  WriteEthernet({.destination = asked_->sender_mac, .source = kMacAddress, .type = EtherType::kArp},
                out);
  WriteArpReply(*asked_, kMacAddress, out.subspan(kEthernetHeaderBytes));
  asked_.reset();
  return kEthernetHeaderBytes + kArpBytes;
}

std::optional<std::chrono::nanoseconds> Responder::NextIn() const {
  constexpr std::chrono::nanoseconds kNow{0};
  if (asked_) return kNow;
  const std::optional<std::chrono::nanoseconds> at = tcp_.NextAt();
  if (!at) return std::nullopt;
  const std::chrono::nanoseconds now = clock_.Now();
  return *at <= now ? kNow : *at - now;
}

void Responder::Reset() {
  tcp_.Clear();
  asked_.reset();
}

}  // namespace ember::mmds
