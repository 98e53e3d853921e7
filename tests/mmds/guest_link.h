#ifndef EMBER_TESTS_MMDS_GUEST_LINK_H_
#define EMBER_TESTS_MMDS_GUEST_LINK_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mmds/guest_service.h"
#include "mmds/responder.h"
#include "tests/base/fake_clock.h"

namespace ember::mmds::testing {

inline constexpr MacAddress kGuestMac{{0x06, 0x00, 0xc0, 0xa8, 0x00, 0x01}};
inline constexpr Ipv4Address kGuestAddress{{192, 168, 0, 2}};

inline Document Json(std::string_view text) { return *Document::Parse(text); }

// A segment that came, its payload copied.
struct Arrived {
  TcpSegment segment;
  std::string payload;

  bool Has(uint8_t flag) const { return segment.Has(flag); }
};

// The guest's end of a link that has the metadata service on it: makes frames and takes them apart
// again, by the hand of the test.
struct GuestLink {
  explicit GuestLink(bool needs_token = false, std::optional<uint16_t> mtu = std::nullopt)
      : service(metadata, {.needs_token = needs_token, .clock = &clock}),
        responder(service, {.mtu = mtu, .clock = &clock}) {
    metadata.store.Replace(Json(R"({"a":"alpha","list":[1],"sub":{"x":"y"}})"));
  }

  static std::vector<std::byte> Frame(const TcpSegment& segment) {
    std::array<std::byte, 70000> room;
    WriteEthernet(
        {.destination = Responder::kMacAddress, .source = kGuestMac, .type = EtherType::kIpv4},
        room);
    const std::span<std::byte> packet = std::span(room).subspan(kEthernetHeaderBytes);
    const size_t bytes =
        WriteTcp(segment, kGuestAddress, kDefaultAddress, packet.subspan(kIpv4HeaderBytes));
    WriteIpv4(kGuestAddress, kDefaultAddress, bytes, packet);
    const size_t all = kEthernetHeaderBytes + kIpv4HeaderBytes + bytes;
    return {room.begin(), room.begin() + static_cast<ptrdiff_t>(all)};
  }
  void Put(std::span<const std::byte> frame, TcpChecksum checksum = TcpChecksum::kWhole) {
    responder.Accept(frame, checksum);
  }
  void Put(const TcpSegment& segment) { Put(Frame(segment)); }

  // The next frame, empty where there is none.
  std::vector<std::byte> TakeFrame() {
    std::array<std::byte, Responder::kMaxFrameBytes> room;
    const size_t bytes = responder.Next(room);
    return {room.begin(), room.begin() + static_cast<ptrdiff_t>(bytes)};
  }
  // The next segment; sound in every way, or the test fails.
  std::optional<Arrived> Take() {
    const std::vector<std::byte> frame = TakeFrame();
    if (frame.empty()) return std::nullopt;
    const auto ethernet = ReadEthernet(frame);
    EXPECT_EQ(ethernet->destination, kGuestMac);
    EXPECT_EQ(ethernet->source, Responder::kMacAddress);
    const auto packet = ReadIpv4(std::span(frame).subspan(kEthernetHeaderBytes));
    if (!packet) {
      ADD_FAILURE() << "no IPv4 packet";
      return std::nullopt;
    }
    EXPECT_EQ(packet->source, kDefaultAddress);
    EXPECT_EQ(packet->destination, kGuestAddress);
    const auto segment = ReadTcp(*packet, TcpChecksum::kWhole);
    if (!segment) {
      ADD_FAILURE() << "no TCP segment";
      return std::nullopt;
    }
    EXPECT_EQ(segment->source_port, TcpServer::kPort);
    Arrived arrived{.segment = *segment, .payload = {}};
    for (const std::byte byte : segment->payload) {
      arrived.payload += static_cast<char>(byte);
    }
    return arrived;
  }
  std::vector<Arrived> TakeAll() {
    std::vector<Arrived> all;
    while (std::optional<Arrived> one = Take()) all.push_back(*std::move(one));
    return all;
  }

  const MmdsMetrics& metrics() const { return metadata.metrics; }
  uint64_t connections() const {
    return metrics().connections_created.value() - metrics().connections_destroyed.value();
  }

  FakeClock clock;
  Metadata metadata{DataStore::kDefaultLimitBytes};
  GuestService service;
  Responder responder;
};

// One connection of the guest's.
class GuestTcp {
 public:
  GuestTcp(GuestLink& link, uint16_t port, uint16_t window = 65535,
           std::optional<uint16_t> max_segment_bytes = 1460)
      : link_(link), port_(port), window_(window), max_segment_bytes_(max_segment_bytes) {}

  TcpSegment Segment(uint8_t flags, std::string_view payload = {}) const {
    return {.source_port = port_,
            .destination_port = TcpServer::kPort,
            .sequence = next_,
            .acknowledgment = expected_,
            .flags = flags,
            .window = window_,
            .max_segment_bytes = std::nullopt,
            .payload = std::as_bytes(std::span(payload))};
  }
  void SendSyn() {
    TcpSegment syn = Segment(TcpFlags::kSyn);
    syn.max_segment_bytes = max_segment_bytes_;
    link_.Put(syn);
  }
  // The handshake.
  void Open() {
    SendSyn();
    const std::optional<Arrived> answer = link_.Take();
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->segment.flags, TcpFlags::kSyn | TcpFlags::kAck);
    ASSERT_EQ(answer->segment.acknowledgment, next_ + 1);
    ++next_;
    expected_ = answer->segment.sequence + 1;
    Acknowledge();
    EXPECT_FALSE(link_.Take());
  }
  void Acknowledge() { link_.Put(Segment(TcpFlags::kAck)); }
  void Send(std::string_view payload, uint8_t more_flags = 0) {
    link_.Put(Segment(static_cast<uint8_t>(TcpFlags::kAck | TcpFlags::kPsh | more_flags), payload));
    next_ += static_cast<uint32_t>(payload.size()) + ((more_flags & TcpFlags::kFin) != 0 ? 1 : 0);
  }
  // What comes now, in order, each segment acknowledged; the FIN is noted.
  std::string Receive() {
    std::string all;
    while (const std::optional<Arrived> one = link_.Take()) {
      if (one->Has(TcpFlags::kRst)) {
        reset_ = true;
        break;
      }
      EXPECT_EQ(one->segment.acknowledgment, next_);
      EXPECT_EQ(one->segment.sequence, expected_);
      expected_ += one->segment.length();
      all += one->payload;
      closed_ |= one->Has(TcpFlags::kFin);
      if (one->segment.length() > 0) Acknowledge();
    }
    return all;
  }
  std::string Exchange(std::string_view request) {
    Send(request);
    return Receive();
  }

  void set_window(uint16_t window) { window_ = window; }
  bool closed() const { return closed_; }
  bool reset() const { return reset_; }
  // Sequence numbers: the next to be sent, and the next to come.
  uint32_t next_ = 1000;
  uint32_t expected_ = 0;

 private:
  GuestLink& link_;
  const uint16_t port_;
  uint16_t window_;
  const std::optional<uint16_t> max_segment_bytes_;
  bool closed_ = false;
  bool reset_ = false;
};

inline constexpr std::string_view kGetA = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
// What kGetA is answered.
inline constexpr std::string_view kAnswerA =
    "HTTP/1.1 200 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n"
    "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nalpha";

}  // namespace ember::mmds::testing

#endif  // EMBER_TESTS_MMDS_GUEST_LINK_H_
