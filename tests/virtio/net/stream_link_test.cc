// The stream protocol against a peer that is the test, at its best and at its worst.
#include "virtio/net/stream_link.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/base/temporary_directory.h"
#include "tests/virtio/net/net_bench.h"

namespace ember::virtio::testing {
namespace {

std::vector<std::byte> Lengthed(const std::vector<std::byte>& frame) {
  const auto length = static_cast<uint32_t>(frame.size());
  std::vector<std::byte> bytes;
  for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<std::byte>(length >> shift));
  bytes.insert(bytes.end(), frame.begin(), frame.end());
  return bytes;
}

class StreamLinkTest : public ::testing::Test {
 protected:
  StreamLinkTest() {
    std::array<int, 2> fds;
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
    peer = Fd(fds[0]);
    device = *NetDevice::Create(*StreamLink::Adopt(Fd(fds[1]), "test peer"),
                                {.interface_id = "eth0", .address = kAddress});
    rig.emplace(*device);
    driver.emplace(*rig, NetDriver::Options{.features = kNetMergeable, .queue_size = 128});
  }

  // False where the socket takes no more.
  bool Write(std::span<const std::byte> bytes) const {
    return ::send(peer.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
           static_cast<ssize_t>(bytes.size());
  }
  std::vector<std::byte> Read(size_t most = 1 << 20) const {
    std::vector<std::byte> bytes(most);
    const ssize_t count = ::recv(peer.get(), bytes.data(), most, MSG_DONTWAIT);
    bytes.resize(count < 0 ? 0 : static_cast<size_t>(count));
    return bytes;
  }
  void Offer() {
    driver->Offer(driver->receive_ring().free_descriptors(), 1530);
    driver->KickReceive();
    rig->Pump();
  }

  Fd peer;
  std::unique_ptr<NetDevice> device;
  std::optional<Rig> rig;
  std::optional<NetDriver> driver;
};

TEST_F(StreamLinkTest, OffersNoOffloads) {
  EXPECT_EQ(rig->driver.DeviceFeatures() & FakeNetBackend::kAllOffloads.bits(), 0U);
}

TEST_F(StreamLinkTest, SendsEachFrameAfterItsLength) {
  driver->Send(FrameOf(60));
  EXPECT_EQ(Read(), Lengthed(FrameOf(60)));
  driver->Send(FrameOf(65550));
  EXPECT_EQ(Read(), Lengthed(FrameOf(65550)));
}

TEST_F(StreamLinkTest, ReceivesSeveralFramesAtOnce) {
  Offer();
  std::vector<std::byte> all;
  for (unsigned i = 0; i < 20; ++i) {
    const auto bytes = Lengthed(FrameOf(60 + 100 * i, i));
    all.insert(all.end(), bytes.begin(), bytes.end());
  }
  ASSERT_TRUE(Write(all));
  rig->Pump();
  for (unsigned i = 0; i < 20; ++i) EXPECT_EQ(driver->Take()->frame, FrameOf(60 + 100 * i, i));
}

TEST_F(StreamLinkTest, PutsAFrameTogetherFromSingleBytes) {
  Offer();
  for (const std::byte byte : Lengthed(FrameOf(300))) {
    EXPECT_FALSE(driver->Take());
    ASSERT_TRUE(Write(std::array{byte}));
    rig->Pump();
  }
  EXPECT_EQ(driver->Take()->frame, FrameOf(300));
}

TEST_F(StreamLinkTest, ReceivesAnyMixOfFramesAndPieces) {
  std::minstd_rand random(9);
  std::vector<std::byte> stream;
  for (unsigned i = 0; i < 300; ++i) {
    const auto bytes = Lengthed(FrameOf(14 + (i * 7919) % (i % 10 == 0 ? 65000 : 1500), i));
    stream.insert(stream.end(), bytes.begin(), bytes.end());
  }
  unsigned taken = 0;
  for (size_t at = 0; at < stream.size();) {
    const size_t count = std::min<size_t>(1 + random() % 20000, stream.size() - at);
    Offer();
    if (Write(std::span(stream).subspan(at, count))) at += count;
    rig->Pump();
    while (const auto packet = driver->Take()) {
      ASSERT_EQ(packet->frame,
                FrameOf(14 + (taken * 7919) % (taken % 10 == 0 ? 65000 : 1500), taken));
      ++taken;
    }
  }
  Offer();
  while (driver->Take()) ++taken;
  EXPECT_EQ(taken, 300U);
}

TEST_F(StreamLinkTest, StopsReadingWhileTheDriverHasNoBuffers) {
  size_t sent = 0;
  const auto bytes = Lengthed(FrameOf(1500));
  while (Write(bytes)) {
    ++sent;
    ASSERT_LT(sent, 10000U) << "what a peer sends is kept without bound";
    rig->Pump();
  }
  ASSERT_FALSE(rig->PumpOnce());
  Offer();
  size_t received = 0;
  for (int i = 0; i < 100; ++i) {
    while (const auto packet = driver->Take()) {
      ++received;
      ASSERT_EQ(packet->frame, FrameOf(1500));
    }
    Offer();
  }
  EXPECT_EQ(received, sent);
}

TEST_F(StreamLinkTest, SendsTheRestOfAFrameWhenThePeerReadsOn) {
  size_t put = 0;
  while (driver->transmit_ring().free_descriptors() > 0) {
    driver->Put({}, FrameOf(9000, static_cast<unsigned>(put++)));
  }
  driver->KickTransmit();
  rig->Pump();
  ASSERT_LT(driver->Reclaim(), put);
  ASSERT_FALSE(rig->PumpOnce());
  std::vector<std::byte> expected, read;
  for (unsigned i = 0; i < put; ++i) {
    const auto bytes = Lengthed(FrameOf(9000, i));
    expected.insert(expected.end(), bytes.begin(), bytes.end());
  }
  while (read.size() < expected.size()) {
    const auto more = Read(7001);
    read.insert(read.end(), more.begin(), more.end());
    rig->Pump();
  }
  EXPECT_TRUE(read == expected);
}

// The frame that was cut by the reset is whole at the peer, and the new driver's come after it.
TEST_F(StreamLinkTest, KeepsTheStreamWholeOverAReset) {
  while (driver->transmit_ring().free_descriptors() > 0) driver->Put({}, FrameOf(60000));
  driver->KickTransmit();
  rig->Pump();
  rig->driver.Write(reg::kStatus, 0);
  driver.emplace(*rig, NetDriver::Options{});
  driver->Put({}, FrameOf(77, 7));
  driver->KickTransmit();
  std::vector<std::byte> read;
  for (std::vector<std::byte> more; more = Read(), !more.empty(); rig->Pump()) {
    read.insert(read.end(), more.begin(), more.end());
  }
  size_t at = 0;
  std::vector<std::vector<std::byte>> frames;
  while (at < read.size()) {
    const size_t length = static_cast<size_t>(read[at + 1]) << 16 |
                          static_cast<size_t>(read[at + 2]) << 8 |
                          static_cast<size_t>(read[at + 3]);
    ASSERT_LE(at + 4 + length, read.size());
    const auto begin = read.begin() + static_cast<ptrdiff_t>(at + 4);
    frames.emplace_back(begin, begin + static_cast<ptrdiff_t>(length));
    at += 4 + length;
  }
  ASSERT_GE(frames.size(), 2U);
  EXPECT_EQ(frames.back(), FrameOf(77, 7));
  for (size_t i = 0; i + 1 < frames.size(); ++i) EXPECT_TRUE(frames[i] == FrameOf(60000));
}

TEST_F(StreamLinkTest, TakesTheLinkDownForALengthThatNoFrameHas) {
  Offer();
  ASSERT_TRUE(Write(Lengthed(FrameOf(60))));
  ASSERT_TRUE(Write(std::array{std::byte{0}, std::byte{1}, std::byte{0}, std::byte{15}}));
  rig->Pump();
  EXPECT_EQ(driver->Take()->frame, FrameOf(60));
  EXPECT_EQ(driver->link_status(), 0);
  EXPECT_FALSE(rig->PumpOnce());
  EXPECT_FALSE(Write(std::array{std::byte{0}}));
}

TEST_F(StreamLinkTest, TakesFramesOfTheLargestLength) {
  Offer();
  ASSERT_TRUE(Write(Lengthed(FrameOf(65550))));
  rig->Pump();
  EXPECT_EQ(driver->Take()->frame, FrameOf(65550));
}

TEST_F(StreamLinkTest, DropsRuntsAndEmptyFrames) {
  Offer();
  ASSERT_TRUE(Write(Lengthed({})));
  ASSERT_TRUE(Write(Lengthed(FrameOf(13))));
  ASSERT_TRUE(Write(Lengthed(FrameOf(14))));
  rig->Pump();
  EXPECT_EQ(driver->Take()->frame, FrameOf(14));
  EXPECT_EQ(device->metrics().rx_fails.value(), 2U);
}

TEST_F(StreamLinkTest, DeliversWhatCameBeforeThePeerWentAway) {
  Offer();
  ASSERT_TRUE(Write(Lengthed(FrameOf(60))));
  ASSERT_TRUE(Write(Lengthed(FrameOf(61))));
  peer.Reset();
  rig->Pump();
  EXPECT_EQ(driver->Take()->frame, FrameOf(60));
  EXPECT_EQ(driver->Take()->frame, FrameOf(61));
  EXPECT_EQ(driver->link_status(), 0);
  EXPECT_FALSE(rig->PumpOnce());
  driver->Send(FrameOf(60));
  EXPECT_EQ(driver->Reclaim(), 1U);
}

TEST_F(StreamLinkTest, IsQuietWhereThePeerWentAwayAndThereAreNoBuffers) {
  ASSERT_TRUE(Write(Lengthed(FrameOf(60))));
  peer.Reset();
  rig->Pump();
  EXPECT_FALSE(rig->PumpOnce());
  Offer();
  EXPECT_EQ(driver->Take()->frame, FrameOf(60));
  EXPECT_EQ(driver->link_status(), 0);
}

TEST(StreamLinkConnectTest, NamesThePathThatNobodyListensAt) {
  const TemporaryDirectory directory;
  const std::string path = directory.Path("nobody.sock");
  const auto link = StreamLink::Connect(path);
  ASSERT_FALSE(link);
  EXPECT_NE(link.error().message().find(path), std::string::npos);
  EXPECT_FALSE(StreamLink::Connect(""));
  EXPECT_FALSE(StreamLink::Connect(std::string(108, 'x')));
}

}  // namespace
}  // namespace ember::virtio::testing
