// The metadata service between a device and its network: over rings, and with the host's own TCP as
// the guest.
#include "virtio/net/metadata_backend.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/concat.h"
#include "tests/mmds/guest_link.h"
#include "tests/virtio/net/net_bench.h"
#include "tests/virtio/net/network_namespace.h"
#include "virtio/net/tap.h"

namespace ember::virtio::testing {
namespace {

using mmds::TcpFlags;
using mmds::testing::kAnswerA;
using mmds::testing::kGetA;
using Guest = mmds::testing::GuestLink;

// A device with the service and a network behind it, and a guest's connection over its rings.
struct Bench {
  explicit Bench(const NetDevice::Options& options = {.interface_id = "eth0"},
                 const Clock* use_clock = nullptr)
      : service(metadata, {.needs_token = false}) {
    metadata.store.Replace(mmds::testing::Json(R"({"a":"alpha"})"));
    const Clock& used = use_clock != nullptr ? *use_clock : clock;
    auto fake = std::make_unique<FakeNetBackend>();
    network = fake.get();
    NetDevice::Options with_clock = options;
    with_clock.clock = &used;
    device =
        *NetDevice::Create(std::make_unique<MetadataBackend>(
                               std::move(fake), service, mmds::Responder::Options{.clock = &used}),
                           with_clock);
    rig.emplace(*device);
    driver.emplace(*rig, NetDriver::Options{});
  }

  void Send(uint8_t flags, std::string_view payload = {}, const PacketHeader& header = {}) {
    std::vector<std::byte> frame = Guest::Frame({.source_port = 1,
                                                 .destination_port = 80,
                                                 .sequence = next,
                                                 .acknowledgment = expected,
                                                 .flags = flags,
                                                 .window = 65535,
                                                 .payload = std::as_bytes(std::span(payload))});
    // What a guest leaves to its device is not right.
    if (header.flags != 0) frame[50] ^= std::byte{0xff};
    driver->Send(header, frame);
    next += static_cast<uint32_t>(payload.size()) + ((flags & TcpFlags::kSyn) != 0 ? 1 : 0);
  }
  // The payload of the next segment that came; nothing where none did.
  std::optional<std::string> Take() {
    const std::optional<Packet> packet = driver->Take();
    if (!packet) return std::nullopt;
    const auto ip = mmds::ReadIpv4(std::span(packet->frame).subspan(mmds::kEthernetHeaderBytes));
    if (!ip) return "no IPv4";
    const auto segment = mmds::ReadTcp(*ip, mmds::TcpChecksum::kWhole);
    if (!segment) return "no TCP";
    expected = segment->sequence + segment->length();
    std::string text;
    for (const std::byte byte : segment->payload) text += static_cast<char>(byte);
    return text;
  }
  void Open() {
    driver->Offer(16, 2048);
    driver->KickReceive();
    rig->Pump();
    Send(TcpFlags::kSyn);
    EXPECT_EQ(Take(), "");
    Send(TcpFlags::kAck);
    EXPECT_EQ(Take(), std::nullopt);
  }

  FakeClock clock;
  mmds::Metadata metadata{mmds::DataStore::kDefaultLimitBytes};
  mmds::GuestService service;
  FakeNetBackend* network;
  std::unique_ptr<NetDevice> device;
  std::optional<Rig> rig;
  std::optional<NetDriver> driver;
  uint32_t next = 1;
  uint32_t expected = 0;
};

TEST(MetadataBackendTest, AnswersOverTheRings) {
  Bench bench;
  bench.Open();
  bench.Send(TcpFlags::kAck, kGetA);
  EXPECT_EQ(bench.Take(), kAnswerA);
  EXPECT_EQ(bench.network->sends, 0);
  EXPECT_EQ(bench.driver->Reclaim(), 3U);
  EXPECT_EQ(bench.metadata.metrics.rx_accepted.value(), 3U);
  EXPECT_EQ(bench.metadata.metrics.tx_frames.value(), 2U);
  EXPECT_EQ(bench.device->metrics().tx_packets_count.value(), 0U);  // none of the network's
}

TEST(MetadataBackendTest, AnswersAGuestThatLeavesChecksumsToItsDevice) {
  Bench bench;
  bench.Open();
  bench.Send(TcpFlags::kAck, kGetA);
  EXPECT_EQ(bench.Take(), kAnswerA);
  const PacketHeader partial{.flags = 1, .csum_start = 34, .csum_offset = 16};
  // Not negotiated, so that the frame is malformed to the device.
  bench.Send(TcpFlags::kAck, kGetA, partial);
  EXPECT_EQ(bench.Take(), std::nullopt);
}

TEST(MetadataBackendTest, LetsOtherFramesPass) {
  Bench bench;
  bench.Open();
  bench.driver->Send(FrameOf(100));
  EXPECT_TRUE(bench.network->Take());
  ASSERT_TRUE(bench.network->Put({.bytes = FrameOf(200)}));
  bench.rig->Pump();
  const std::optional<Packet> packet = bench.driver->Take();
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->frame, FrameOf(200));
}

TEST(MetadataBackendTest, FramesToTheServiceNeverReachTheNetwork) {
  Bench bench;
  std::vector<std::byte> frame = Guest::Frame({.source_port = 1, .destination_port = 80});
  bench.driver->Send(frame);
  frame[14 + 9] = std::byte{17};  // not sound, and for the service all the same
  bench.driver->Send(frame);
  EXPECT_EQ(bench.network->sends, 0);
  EXPECT_EQ(bench.driver->Reclaim(), 2U);
}

TEST(MetadataBackendTest, AnswersWaitForBuffers) {
  Bench bench;
  bench.Send(TcpFlags::kSyn);
  EXPECT_EQ(bench.Take(), std::nullopt);
  bench.driver->Offer(1, 2048);
  bench.driver->KickReceive();
  bench.rig->Pump();
  EXPECT_EQ(bench.Take(), "");
}

TEST(MetadataBackendTest, ServiceAndNetworkTakeTurns) {
  Bench bench;
  // Answers that wait: a reset for each segment of no connection.
  for (int i = 0; i < 8; ++i) bench.Send(TcpFlags::kAck);
  for (unsigned i = 0; i < 8; ++i) ASSERT_TRUE(bench.network->Put({.bytes = FrameOf(100, i)}));
  bench.driver->Offer(16, 2048);
  bench.driver->KickReceive();
  bench.rig->Pump();
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(bench.driver->Take()->frame.size(), 54U);
    EXPECT_EQ(bench.driver->Take()->frame.size(), 100U);
  }
}

TEST(MetadataBackendTest, NoLimitHoldsBackWhatIsForTheService) {
  const TokenBucketOptions one{.size = 1, .refill_time_ms = 3600000};
  Bench bench({.interface_id = "eth0", .transmit_limits = {.bandwidth = std::nullopt, .ops = one}});
  bench.driver->Send(FrameOf(100));  // the only one in an hour
  EXPECT_TRUE(bench.network->Take());
  bench.Open();
  bench.Send(TcpFlags::kAck, kGetA);
  EXPECT_EQ(bench.Take(), kAnswerA);
  bench.driver->Send(FrameOf(100));
  EXPECT_FALSE(bench.network->Take());
}

TEST(MetadataBackendTest, TheLimitOfReceptionHoldsForAnswers) {
  const TokenBucketOptions one{.size = 1, .refill_time_ms = 3600000};
  Bench bench({.interface_id = "eth0", .receive_limits = {.bandwidth = std::nullopt, .ops = one}});
  bench.Open();
  bench.Send(TcpFlags::kAck, kGetA);
  EXPECT_EQ(bench.Take(), std::nullopt);
}

TEST(MetadataBackendTest, ADriverThatBeginsAnewFindsNoConnections) {
  Bench bench;
  bench.Open();
  bench.driver.reset();
  bench.driver.emplace(*bench.rig, NetDriver::Options{});
  EXPECT_EQ(bench.metadata.metrics.connections_destroyed.value(), 1U);
  bench.Open();
  bench.Send(TcpFlags::kAck, kGetA);
  EXPECT_EQ(bench.Take(), kAnswerA);
}

// The one test that waits, for the second that a lost answer takes.
TEST(MetadataBackendTest, WhatIsNotAcknowledgedComesAgainByItself) {
  Bench bench({.interface_id = "eth0"}, &MonotonicClock());
  bench.Open();
  bench.Send(TcpFlags::kAck, kGetA);
  EXPECT_EQ(bench.Take(), kAnswerA);
  std::optional<std::string> again;
  for (int i = 0; i < 10 && !again; ++i) {
    pollfd wait{.fd = bench.device->host_event_fd(), .events = POLLIN, .revents = 0};
    ::poll(&wait, 1, 5000);
    bench.rig->Pump();
    again = bench.Take();
  }
  EXPECT_EQ(again, kAnswerA);
}

// The host's TCP as the guest: what it sends to a tap goes to the service, partial checksums and
// large segments included.
class MetadataOverTapTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "NOT RUN: making a network of its own needs root";
    if (::access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "NOT RUN: no /dev/net/tun";
    auto entered = NetworkNamespace::Enter();
    if (!entered) GTEST_SKIP() << "NOT RUN: " << entered.error().message();
    network_ = *std::move(entered);
    auto tap = Tap::Open("ember0", 1);
    ASSERT_TRUE(tap) << tap.error().message();
    tap_ = *std::move(tap);
    ASSERT_TRUE(tap_->Start(tap_->offloads()));
    ASSERT_TRUE(network_->SetUp("ember0", true));
    ASSERT_TRUE(network_->SetAddress("ember0", "169.254.169.1"));
  }

  // Lets frames go both ways until there are none.
  void Pump() {
    for (;;) {
      std::vector<iovec> pieces{{}, {.iov_base = frame_.data(), .iov_len = frame_.size()}};
      NetHeader header{};
      const Received received = tap_->Receive(QueuePair{0}, header, pieces);
      if (received.outcome == ReceiveOutcome::kFrame) {
        const iovec frame{.iov_base = frame_.data(), .iov_len = received.frame_bytes};
        backend_.Answer(header, {&frame, 1});
        continue;
      }
      const Received answer = backend_.Receive(QueuePair{0}, header, pieces);
      if (answer.outcome != ReceiveOutcome::kFrame) return;
      pieces[1].iov_len = answer.frame_bytes;
      EXPECT_EQ(tap_->Send(QueuePair{0}, header, pieces), SendOutcome::kSent);
    }
  }
  // Until the socket is ready for `events`, for ten seconds at most.
  bool Await(const Fd& socket, short events) {
    for (int i = 0; i < 1000; ++i) {
      Pump();
      std::array<pollfd, 2> fds{{{.fd = socket.get(), .events = events, .revents = 0},
                                 {.fd = tap_->fd(QueuePair{0}), .events = POLLIN, .revents = 0}}};
      ::poll(fds.data(), fds.size(), 10);
      if ((fds[0].revents & events) != 0) return true;
    }
    return false;
  }
  Fd Connect() {
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(80), .sin_addr = {}};
    ::inet_pton(AF_INET, "169.254.169.254", &to.sin_addr);
    sockaddr address{};
    static_assert(sizeof(address) == sizeof(to));
    std::memcpy(&address, &to, sizeof(to));
    ::connect(socket.get(), &address, sizeof(address));
    EXPECT_TRUE(Await(socket, POLLOUT));
    return socket;
  }
  // What comes for the request until the service ends the connection.
  std::string Exchange(const Fd& socket, std::string_view request) {
    Send(socket, request);
    return ReadToEnd(socket);
  }
  static void Send(const Fd& socket, std::string_view request) {
    EXPECT_EQ(::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
  }
  std::string ReadToEnd(const Fd& socket) {
    std::string all;
    while (Await(socket, POLLIN)) {
      std::array<char, 4096> room;
      const ssize_t count = ::recv(socket.get(), room.data(), room.size(), 0);
      if (count <= 0) return count == 0 ? all : Concat("errno ", errno);
      all.append(room.data(), static_cast<size_t>(count));
    }
    return Concat("no end after: ", all);
  }

  std::unique_ptr<NetworkNamespace> network_;
  std::unique_ptr<Tap> tap_;
  std::vector<std::byte> frame_ = std::vector<std::byte>(kMaxFrameBytes + 1);
  mmds::Metadata metadata_{mmds::DataStore::kDefaultLimitBytes};
  mmds::GuestService service_{metadata_, {.needs_token = false}};
  MetadataBackend backend_{std::make_unique<FakeNetBackend>(), service_, {}};
};

TEST_F(MetadataOverTapTest, LinuxReadsAllThatFits) {
  const std::string text(51000, 'x');
  metadata_.store.Replace(mmds::testing::Json(Concat(R"({"big":")", text, R"("})")));
  for (int i = 0; i < 3; ++i) {
    const Fd socket = Connect();
    const std::string answer =
        Exchange(socket, "GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer.substr(0, 200);
    EXPECT_TRUE(answer.ends_with("\r\n\r\n" + text));
  }
  Pump();
  EXPECT_EQ(metadata_.metrics.rx_accepted_err.value(), 0U);
}

TEST_F(MetadataOverTapTest, LinuxSendsMoreThanTheServiceTakesAndIsToldSo) {
  const Fd socket = Connect();
  // One large segment, as far as the window goes.
  const std::string answer =
      Exchange(socket, Concat("GET /", std::string(mmds::TcpConnection::kReceiveBytes, 'x')));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << answer;
}

TEST_F(MetadataOverTapTest, LinuxMayEndItsHalfBeforeTheAnswer) {
  metadata_.store.Replace(mmds::testing::Json(R"({"a":"alpha"})"));
  const Fd socket = Connect();
  Send(socket, kGetA);
  ::shutdown(socket.get(), SHUT_WR);
  EXPECT_EQ(ReadToEnd(socket), kAnswerA);
}

}  // namespace
}  // namespace ember::virtio::testing
