// The real thing: a tap in a network of the test's own, the host's end of it a packet socket.
#include "virtio/net/tap.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/virtio/net/net_bench.h"
#include "tests/virtio/net/network_namespace.h"

namespace ember::virtio::testing {
namespace {

// Frames of a protocol that no host answers.
std::vector<std::byte> LocalFrame(size_t size, unsigned seed = 1) {
  std::vector<std::byte> frame = FrameOf(size, seed);
  std::fill_n(frame.begin(), 6, std::byte{0xff});
  frame[12] = std::byte{0x88};
  frame[13] = std::byte{0xb5};
  return frame;
}

class TapTest : public ::testing::Test {
 protected:
  static constexpr const char* kName = "ember0";

  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "NOT RUN: making a network of its own needs root";
    if (::access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "NOT RUN: no /dev/net/tun";
    auto entered = NetworkNamespace::Enter();
    if (!entered) GTEST_SKIP() << "NOT RUN: " << entered.error().message();
    network = *std::move(entered);
  }

  // A device over the tap, up, and the host's end of it.
  void Plug(std::unique_ptr<Tap> tap, const NetDriver::Options& options) {
    ASSERT_TRUE(network->SetUp(kName, true));
    host.emplace(*PacketSocket::Open(kName));
    device = *NetDevice::Create(std::move(tap), {.interface_id = "eth0", .address = kAddress});
    rig.emplace(*device);
    driver.emplace(*rig, options);
  }
  void PlugByName(const NetDriver::Options& options = {}) {
    auto tap = Tap::Open(kName, 1);
    ASSERT_TRUE(tap) << tap.error().message();
    Plug(*std::move(tap), options);
  }
  // The next frame at the host of those a test made.
  std::optional<std::vector<std::byte>> TakeLocal() {
    while (auto frame = host->Take()) {
      if (frame->size() >= 14 && (*frame)[12] == std::byte{0x88}) return frame;
    }
    return std::nullopt;
  }
  std::optional<std::vector<std::byte>> TakeInGuest() {
    while (auto packet = driver->Take()) {
      if (packet->frame[12] == std::byte{0x88}) return packet->frame;
    }
    return std::nullopt;
  }

  std::unique_ptr<NetworkNamespace> network;
  std::unique_ptr<NetDevice> device;
  std::optional<PacketSocket> host;
  std::optional<Rig> rig;
  std::optional<NetDriver> driver;
};

TEST_F(TapTest, CarriesFramesBothWays) {
  PlugByName();
  driver->Send(LocalFrame(1514));
  EXPECT_EQ(TakeLocal(), LocalFrame(1514));
  driver->Offer(8, 1530);
  driver->KickReceive();
  host->Send(LocalFrame(1514, 2));
  rig->Pump();
  EXPECT_EQ(TakeInGuest(), LocalFrame(1514, 2));
}

TEST_F(TapTest, OffersTheKernelsOffloads) {
  PlugByName();
  const uint64_t offered = rig->driver.DeviceFeatures();
  const uint64_t least = kNetCsum | kNetGuestCsum | kNetGuestTso4 | kNetHostTso4 | kNetHostTso6;
  EXPECT_EQ(offered & least, least);
}

TEST_F(TapTest, TakesEachSubsetOfOffloadsThatADriverMayAccept) {
  constexpr uint64_t kReceiveBits[] = {1, 7, 8, 9, 10};
  for (unsigned subset = 0; subset < 32; ++subset) {
    uint64_t features = 0;
    for (unsigned i = 0; i < 5; ++i) {
      if ((subset >> i & 1) != 0) features |= uint64_t{1} << kReceiveBits[i];
    }
    PlugByName({.features = features});
    EXPECT_FALSE(driver->needs_reset()) << subset;
    driver.reset();
    rig.reset();
    device.reset();
  }
}

TEST_F(TapTest, TakesAFrameWhoseChecksumIsTheHostsToComplete) {
  PlugByName({.features = kNetCsum});
  std::vector<std::byte> frame = LocalFrame(60);
  std::fill(frame.begin() + 14, frame.end(), std::byte{0});
  driver->Send({.flags = 1, .csum_start = 34, .csum_offset = 10}, frame);
  // Whoever reads it at the host gets it with or without its checksum filled in, as he asked.
  const auto sent = TakeLocal();
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->size(), 60U);
}

TEST_F(TapTest, GoesOnWhileTheInterfaceIsDown) {
  PlugByName();
  ASSERT_TRUE(network->SetUp(kName, false));
  driver->Send(LocalFrame(100));
  EXPECT_EQ(driver->Reclaim(), 1U);
  EXPECT_EQ(device->metrics().tap_write_fails.value(), 1U);
  EXPECT_EQ(driver->link_status(), 1);
  ASSERT_TRUE(network->SetUp(kName, true));
  driver->Send(LocalFrame(100));
  EXPECT_EQ(TakeLocal(), LocalFrame(100));
}

// More frames than the tap queues while the driver has no buffers: it goes on with some lost, and
// the host's later frames come through (CVE-2020-16843).
TEST_F(TapTest, ResumesAfterTapAndRingWereBothFull) {
  PlugByName({.features = kNetMergeable, .queue_size = 64});
  for (int round = 0; round < 3; ++round) {
    driver->Offer(driver->receive_ring().free_descriptors(), 1530);
    driver->KickReceive();
    for (unsigned i = 0; i < 1500; ++i) host->Send(LocalFrame(1000, i));
    rig->Pump();
    EXPECT_FALSE(rig->PumpOnce());
    size_t received = 0;
    for (int i = 0; i < 40; ++i) {
      while (driver->Take()) ++received;
      driver->Offer(driver->receive_ring().free_descriptors(), 1530);
      driver->KickReceive();
      rig->Pump();
    }
    EXPECT_GE(received, 500U);
    while (driver->Take()) {
    }
    host->Send(LocalFrame(77));
    rig->Pump();
    EXPECT_EQ(TakeInGuest(), LocalFrame(77));
  }
}

TEST_F(TapTest, SaysThatTheLinkIsDownWhenTheInterfaceIsDeleted) {
  PlugByName();
  driver->Offer(2, 1530);
  driver->KickReceive();
  rig->Pump();
  ASSERT_TRUE(network->Delete(kName));
  rig->Pump();
  EXPECT_EQ(driver->link_status(), 0);
  driver->Send(LocalFrame(60));
  EXPECT_EQ(driver->Reclaim(), 1U);
  EXPECT_FALSE(rig->PumpOnce());
}

TEST_F(TapTest, RefusesAnInterfaceThatIsInUse) {
  const auto first = Tap::Open(kName, 1);
  ASSERT_TRUE(first);
  const auto second = Tap::Open(kName, 1);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message().find(kName), std::string::npos);
  EXPECT_EQ(second.error().error_number(), EBUSY);
}

TEST_F(TapTest, RefusesNamesThatNoInterfaceCanHave) {
  EXPECT_FALSE(Tap::Open("", 1));
  EXPECT_FALSE(Tap::Open(std::string(IFNAMSIZ, 'x'), 1));
  EXPECT_TRUE(Tap::Open(std::string(IFNAMSIZ - 1, 'x'), 1));
}

TEST_F(TapTest, WorksByADescriptorThatWasInherited) {
  const int fd = ::open("/dev/net/tun", O_RDWR);
  ifreq request{};
  std::strcpy(request.ifr_name, kName);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  ASSERT_EQ(::ioctl(fd, TUNSETIFF, &request), 0);
  auto tap = Tap::Inherit(fd);
  ASSERT_TRUE(tap) << tap.error().message();
  ::close(fd);
  Plug(*std::move(tap), {});
  driver->Send(LocalFrame(100));
  EXPECT_EQ(TakeLocal(), LocalFrame(100));
}

TEST_F(TapTest, RefusesDescriptorsThatAreNoSuchTap) {
  EXPECT_FALSE(Tap::Inherit(-1));
  const int unattached = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  EXPECT_FALSE(Tap::Inherit(unattached));
  ifreq request{};
  std::strcpy(request.ifr_name, kName);
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  ASSERT_EQ(::ioctl(unattached, TUNSETIFF, &request), 0);
  const auto plain = Tap::Inherit(unattached);
  ASSERT_FALSE(plain);
  EXPECT_NE(plain.error().message().find("IFF_VNET_HDR"), std::string::npos);
  ::close(unattached);
}

TEST_F(TapTest, SpreadsOverSeveralQueues) {
  auto tap = Tap::Open(kName, 4);
  ASSERT_TRUE(tap) << tap.error().message();
  Plug(*std::move(tap), {.features = kNetMultiQueue | kNetControl, .pairs = 4});
  for (const uint16_t count : std::initializer_list<uint16_t>{4, 2, 1, 3, 4}) {
    ASSERT_EQ(driver->UsePairs(count), 0) << count;
    for (uint16_t pair = 0; pair < count; ++pair) {
      driver->Put({}, LocalFrame(60 + pair), {}, pair);
      driver->KickTransmit(pair);
      rig->Pump();
      EXPECT_EQ(TakeLocal(), LocalFrame(60 + pair));
      driver->Reclaim(pair);
      driver->Offer(driver->receive_ring(pair).free_descriptors(), 1530, UINT32_MAX, pair);
      driver->KickReceive(pair);
    }
    rig->Pump();
    EXPECT_FALSE(rig->PumpOnce()) << "a queue out of use must be silent";
    host->Send(LocalFrame(200));
    rig->Pump();
    int received = 0;
    for (uint16_t pair = 0; pair < 4; ++pair) {
      while (const auto packet = driver->Take(pair)) {
        if (packet->frame == LocalFrame(200)) ++received;
      }
    }
    EXPECT_EQ(received, 1) << count;
  }
}

TEST_F(TapTest, KeepsFramesThatCameBeforeAReset) {
  PlugByName();
  rig->Pump();
  rig->driver.Write(reg::kStatus, 0);
  host->Send(LocalFrame(99));
  EXPECT_FALSE(rig->PumpOnce());
  driver.emplace(*rig, NetDriver::Options{});
  driver->Offer(16, 1530);
  driver->KickReceive();
  rig->Pump();
  EXPECT_EQ(TakeInGuest(), LocalFrame(99));
}

}  // namespace
}  // namespace ember::virtio::testing
