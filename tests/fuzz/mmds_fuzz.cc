// The metadata service's station on the link, with frames from the input: raw ones, and segments of
// a guest that knows how far its connections are, so that the fuzzer gets beyond checksums and
// sequence numbers. Whatever comes, what it sends is sound, and it comes to rest.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/check.h"
#include "mmds/guest_service.h"
#include "mmds/responder.h"
#include "tests/base/fake_clock.h"

namespace {

using namespace ember::mmds;  // NOLINT(google-build-using-namespace): a program of its own
using ember::FakeClock;
using ember::MacAddress;

constexpr Ipv4Address kGuest{{192, 168, 0, 2}};
constexpr size_t kMaxFramesAtOnce = 4096;
constexpr uint16_t kPorts = 32;

void FillWithOnes(std::span<std::byte> out) { std::ranges::fill(out, std::byte{1}); }

// What the guest knows of a connection.
struct Known {
  uint32_t next = 0;
  uint32_t expected = 0;
};

class Guest {
 public:
  explicit Guest(std::span<const std::byte> input) : input_(input) {
    metadata_.store.Replace(*Document::Parse(R"({"a":{"b":"c","d":[1,"e"]},"long":"0123456789"})"));
  }

  void Run() {
    while (!input_.empty()) {
      Step();
      TakeAll();
    }
    // Left alone, it gives up every connection that waits for something.
    for (int i = 0; i < 1000; ++i) {
      const auto wait = responder_.NextIn();
      if (!wait) return;
      clock_.Advance(*wait);
      TakeAll();
    }
    EMBER_CHECK(false);
  }

 private:
  uint8_t Byte() {
    if (input_.empty()) return 0;
    const auto byte = std::to_integer<uint8_t>(input_[0]);
    input_ = input_.subspan(1);
    return byte;
  }
  std::span<const std::byte> Bytes(size_t count) {
    const std::span<const std::byte> bytes = input_.first(std::min(count, input_.size()));
    input_ = input_.subspan(bytes.size());
    return bytes;
  }

  void Step() {
    const uint8_t what = Byte();
    if (what < 0x10) {
      clock_.Advance(std::chrono::milliseconds(100) * Byte());
    } else if (what < 0x20) {
      const std::span<const std::byte> frame = Bytes(Byte());
      if (responder_.IsOurs(frame.first(std::min(frame.size(), Responder::kHeadBytes)))) {
        responder_.Accept(frame, TcpChecksum::kPartial);
      }
    } else if (what < 0x28) {
      responder_.Reset();
    } else {
      PutSegment(what);
    }
  }

  void PutSegment(uint8_t what) {
    const auto port = static_cast<uint16_t>(Byte() % kPorts);
    Known& known = known_[port];
    const uint8_t flags = Byte();
    const bool off = what >= 0xc0;  // not where the connection is
    TcpSegment segment{.source_port = port,
                       .destination_port = TcpServer::kPort,
                       .sequence = known.next + (off ? Byte() : 0U) - (off ? Byte() : 0U),
                       .acknowledgment = known.expected - (off ? Byte() : 0U),
                       .flags = flags,
                       .window = static_cast<uint16_t>(Byte() * 257),
                       .payload = {}};
    if ((flags & TcpFlags::kSyn) != 0) segment.max_segment_bytes = Byte();
    segment.payload = Bytes(Byte());
    known.next = segment.sequence + segment.length();
    std::array<std::byte, Responder::kMaxFrameBytes> frame;
    WriteEthernet(
        {.destination = Responder::kMacAddress, .source = MacAddress{}, .type = EtherType::kIpv4},
        frame);
    const std::span<std::byte> packet = std::span(frame).subspan(kEthernetHeaderBytes);
    const size_t bytes =
        WriteTcp(segment, kGuest, kDefaultAddress, packet.subspan(kIpv4HeaderBytes));
    WriteIpv4(kGuest, kDefaultAddress, bytes, packet);
    const size_t all = kEthernetHeaderBytes + kIpv4HeaderBytes + bytes;
    responder_.Accept(std::span(frame).first(all), TcpChecksum::kWhole);
  }

  void TakeAll() {
    for (size_t i = 0; i < kMaxFramesAtOnce; ++i) {
      std::array<std::byte, Responder::kMaxFrameBytes> room;
      const size_t bytes = responder_.Next(room);
      if (bytes == 0) return;
      Check(std::span(room).first(bytes));
    }
    EMBER_CHECK(false);
  }

  void Check(std::span<const std::byte> frame) {
    const auto ethernet = ReadEthernet(frame);
    EMBER_CHECK(ethernet && ethernet->source == Responder::kMacAddress);
    if (ethernet->type != EtherType::kIpv4) return;
    const auto packet = ReadIpv4(frame.subspan(kEthernetHeaderBytes));
    EMBER_CHECK(packet && packet->source == kDefaultAddress);
    const std::optional<TcpSegment> segment = ReadTcp(*packet, TcpChecksum::kWhole);
    EMBER_CHECK(segment);
    if (segment->destination_port < kPorts && !segment->Has(TcpFlags::kRst)) {
      known_[segment->destination_port].expected = segment->sequence + segment->length();
    }
    EMBER_CHECK(metadata_.metrics.connections_created.value() -
                    metadata_.metrics.connections_destroyed.value() <=
                TcpServer::kMaxConnections);
  }

  std::span<const std::byte> input_;
  FakeClock clock_;
  Metadata metadata_{DataStore::kDefaultLimitBytes};
  GuestService service_{metadata_,
                        {.needs_token = false, .clock = &clock_, .random = FillWithOnes}};
  Responder responder_{service_, {.clock = &clock_, .random = FillWithOnes}};
  std::array<Known, kPorts> known_{};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 16384) return 0;
  Guest(std::as_bytes(std::span(data, size))).Run();
  return 0;
}
