// Guests and clients that do as they should not, in numbers.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/virtio/vsock/vsock_fixture.h"

namespace ember::virtio::testing {
namespace {

// Lets this process have as many descriptors as it may. How many more it can have.
size_t SpareDescriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur < 256 ? 0 : limit.rlim_cur - 256;
}

class VsockHostile : public VsockTest {};

TEST_F(VsockHostile, GuestGetsAResetForWhatBelongsToNothing) {
  for (const uint16_t op : {kVsockResponse, kVsockRw, kVsockShutdown, kVsockCreditUpdate,
                            kVsockCreditRequest, kVsockInvalid, uint16_t{8}, uint16_t{0xffff}}) {
    Send(op, 99);
    const auto reset = Receive();
    ASSERT_TRUE(reset) << op;
    EXPECT_EQ(reset->header.op, kVsockRst);
    EXPECT_EQ(reset->header.src_port, 99U);
    EXPECT_EQ(reset->header.dst_port, kGuestPort);
    EXPECT_EQ(reset->header.src_cid, 2U);
    EXPECT_EQ(reset->header.dst_cid, kGuestCid);
  }
}

TEST_F(VsockHostile, GuestGetsNoResetForAReset) {
  Send(kVsockRst, 99);
  EXPECT_EQ(ReceiveOp(), -1);
}

TEST_F(VsockHostile, GuestGetsAResetForAnUnknownType) {
  const HostEnd host = ConnectFromHost();
  for (const uint16_t type : {uint16_t{0}, uint16_t{2}, uint16_t{3}, uint16_t{0xffff}}) {
    VsockHeader header = Header(kVsockRw, host_port);
    header.type = type;
    Send(header);
    const auto reset = Receive();
    ASSERT_TRUE(reset) << type;
    EXPECT_EQ(reset->header.op, kVsockRst);
    EXPECT_EQ(reset->header.type, type);
  }
  Send(kVsockRw, host_port, "x");
  EXPECT_EQ(host.Read(), "x");
}

TEST_F(VsockHostile, GuestGetsAResetForAnUnknownDestination) {
  for (const uint64_t cid : {uint64_t{0}, uint64_t{1}, kGuestCid, uint64_t{4}, ~uint64_t{0}}) {
    VsockHeader header = Header(kVsockRequest, 52);
    header.dst_cid = cid;
    Send(header);
    const auto reset = Receive();
    ASSERT_TRUE(reset) << cid;
    EXPECT_EQ(reset->header.op, kVsockRst);
    EXPECT_EQ(reset->header.src_cid, cid);
  }
}

TEST_F(VsockHostile, GuestIsNotHeardInAnothersName) {
  const HostEnd host = ConnectFromHost();
  for (const uint64_t cid : {uint64_t{0}, uint64_t{2}, uint64_t{4}, ~uint64_t{0}}) {
    VsockHeader header = Header(kVsockRw, host_port);
    header.src_cid = cid;
    Send(header, "x");
    EXPECT_EQ(ReceiveOp(), -1);
  }
  EXPECT_EQ(host.Read(), "");
}

TEST_F(VsockHostile, GuestEndsItsConnectionWithAnUnknownOperation) {
  for (const uint16_t op : {kVsockInvalid, uint16_t{8}, uint16_t{0xffff}}) {
    const HostEnd host = ConnectFromHost();
    Send(op, host_port);
    EXPECT_EQ(ReceiveOp(), kVsockRst) << op;
    EXPECT_TRUE(host.AtEnd()) << op;
  }
}

TEST_F(VsockHostile, GuestThatMakesNoRoomStopsItsOwnPacketsAndLosesNone) {
  driver.set_hold_rx(true);
  for (int i = 0; i < 32; ++i) Send(kVsockRw, 99);
  rig.Pump();
  std::vector<GuestAddress> nothing;
  while (driver.Receive()) {
  }
  // No buffer is left: answers pile up, and then packets.
  size_t offered = 0;
  while (driver.can_put() && offered < 2000) {
    Send(kVsockRw, 100);
    ++offered;
  }
  EXPECT_GE(offered, Multiplexer::kMaxResets);
  EXPECT_LT(offered, Multiplexer::kMaxResets + 16);
  // Room: all are answered.
  driver.set_hold_rx(false);
  const GuestAddress buffer = rig.ram.Allocate(4096);
  driver.OfferRx(buffer);
  driver.KickRx();
  size_t answers = 0;
  while (Receive()) ++answers;
  EXPECT_EQ(answers, offered);
  EXPECT_EQ(device->metrics().tx_packets_count.value(), 32 + offered);
}

TEST_F(VsockHostile, FullGuestIsNoReasonToSpin) {
  const HostEnd host = ConnectFromHost();
  driver.set_hold_rx(true);
  for (int i = 0; i < 64; ++i) {
    host.Write(std::string(65536, 'x'));
    rig.Pump();
  }
  while (driver.Receive()) {
  }
  host.Write("x");
  rig.Pump();
  EXPECT_FALSE(rig.PumpOnce());
  driver.set_hold_rx(false);
  driver.OfferRx(rig.ram.Allocate(4096));
  driver.KickRx();
  EXPECT_FALSE(ReceiveAll().empty());
}

// CVE-2020-16843: both ends full, and nothing went on ever again.
TEST_F(VsockHostile, GoesOnAfterBothEndsWereFull) {
  const HostEnd host = ConnectFromHost();
  driver.set_hold_rx(true);
  const std::string chunk(4000, 'y');
  size_t written = 0;
  for (int i = 0; i < 300; ++i) {
    written += host.Write(chunk);
    rig.Pump();
  }
  size_t got = 0;
  std::vector<GuestAddress> buffers;
  while (const auto packet = driver.Receive()) got += packet->payload.size();
  for (int i = 0; i < 40; ++i) written += host.Write(chunk);
  driver.set_hold_rx(false);
  driver.OfferRx(rig.ram.Allocate(4096));
  driver.KickRx();
  VsockHeader update = Header(kVsockCreditUpdate, host_port);
  for (int i = 0; i < 1000 && got < written; ++i) {
    update.fwd_cnt = static_cast<uint32_t>(got);
    Send(update);
    while (const auto packet = Receive()) got += packet->payload.size();
  }
  EXPECT_EQ(got, written);
}

TEST_F(VsockHostile, OneWakeUpTakesABoundedNumberOfPackets) {
  const uint64_t most = VsockDevice::kWakeUpBudgetBytes / VsockDevice::kPacketCostBytes;
  // The ring's index runs on while the device works: all it can do is 64 packets a time.
  for (int i = 0; i < 8; ++i) driver.Put(Header(kVsockRst, 99));
  driver.KickTx();
  rig.PumpOnce();
  EXPECT_LE(device->metrics().tx_packets_count.value(), most);
}

TEST_F(VsockHostile, OneConnectionDoesNotHoldUpAnother) {
  const HostEnd loud = ConnectFromHost(1);
  const uint32_t loud_port = host_port;
  const HostEnd quiet = ConnectFromHost(2);
  loud.Write(std::string(100000, 'x'));
  quiet.Write("y");
  rig.Pump();
  // The quiet one's packet is among the first, not behind all of the loud one's.
  for (int i = 0; i < 3; ++i) {
    const auto packet = driver.Receive();
    ASSERT_TRUE(packet);
    if (packet->header.src_port == host_port) return;
    EXPECT_EQ(packet->header.src_port, loud_port);
  }
  ADD_FAILURE() << "the loud connection took every turn";
}

TEST_F(VsockHostile, HostThatDoesNotReadHoldsUpNoOther) {
  const HostEnd stuck = ConnectFromHost(1);
  const uint32_t stuck_port = host_port;
  for (int i = 0; i < 6; ++i) Send(Header(kVsockRw, stuck_port, 1), std::string(65536, 'x'));
  while (Receive()) {
  }
  const HostEnd other = ConnectFromHost(2);
  Send(Header(kVsockRw, host_port, 2), "passes");
  EXPECT_EQ(other.Read(), "passes");
}

TEST_F(VsockHostile, CarriesDataOnAThousandConnectionsAtOnce) {
  constexpr size_t kConnections = 1100;
  ASSERT_GE(SpareDescriptors(), 2 * kConnections);
  std::vector<HostEnd> hosts;
  std::map<uint32_t, size_t> by_port;  // host's port to place in hosts
  for (size_t i = 0; i < kConnections; ++i) {
    hosts.push_back(i % 2 == 0 ? ConnectFromHost()
                               : ConnectFromGuest(static_cast<uint32_t>(10000 + i)));
    by_port[host_port] = i;
  }
  ASSERT_EQ(by_port.size(), kConnections);
  EXPECT_EQ(device->connection_count(), kConnections);
  for (const auto& [port, i] : by_port) {
    const std::string name = std::to_string(i);
    VsockHeader header = Header(kVsockRw, port);
    header.len = static_cast<uint32_t>(name.size());
    driver.Put(header, name);
    if (!driver.can_put()) {
      driver.KickTx();
      rig.Pump();
    }
  }
  driver.KickTx();
  rig.Pump();
  for (size_t i = 0; i < kConnections; ++i) {
    EXPECT_EQ(hosts[i].Read(), std::to_string(i));
    hosts[i].Write("from " + std::to_string(i));
  }
  size_t heard = 0;
  while (const auto packet = Receive()) {
    ASSERT_EQ(packet->header.op, kVsockRw);
    EXPECT_EQ(packet->payload, "from " + std::to_string(by_port.at(packet->header.src_port)));
    ++heard;
  }
  EXPECT_EQ(heard, kConnections);
  hosts.clear();
  size_t ended = 0;
  while (const auto packet = Receive()) ended += packet->header.op == kVsockShutdown;
  EXPECT_EQ(ended, kConnections);
  Advance(Multiplexer::kAnswerTimeout);
  for (int i = 0; i < 10; ++i) Advance(std::chrono::nanoseconds(0));
  while (Receive()) {
  }
  EXPECT_EQ(device->connection_count(), 0U);
}

TEST_F(VsockHostile, HasNoMoreConnectionsThanItsLimit) {
  constexpr size_t kLimit = ConnectionTable::kMaxConnections;
  ASSERT_GE(SpareDescriptors(), 2 * kLimit);
  const auto listener = UnixListener::Bind(uds_path() + "_52");
  std::vector<Fd> accepted;
  const auto request = [&](uint32_t guest_port) {
    Send(Header(kVsockRequest, 52, guest_port));
    while (Result<Fd> next = listener->Accept()) accepted.push_back(*std::move(next));
    return ReceiveOp();
  };
  for (uint32_t i = 0; i < kLimit; ++i) ASSERT_EQ(request(i), kVsockResponse) << i;
  EXPECT_EQ(request(kLimit), kVsockRst);
  const HostEnd client = Client();
  client.Write("CONNECT 1\n");
  EXPECT_EQ(ReceiveOp(), -1);
  EXPECT_TRUE(client.AtEnd());
  Send(Header(kVsockRst, 52, 0));
  EXPECT_EQ(request(kLimit), kVsockResponse);
  EXPECT_EQ(device->connection_count(), kLimit);
}

TEST_F(VsockHostile, FloodOfConnectionsThatEndAtOnceLeavesNothing) {
  const auto listener = UnixListener::Bind(uds_path() + "_52");
  for (uint32_t i = 0; i < 2000; ++i) {
    Send(Header(kVsockRequest, 52, i));
    while (listener->Accept()) {
    }
    Send(Header(i % 2 == 0 ? kVsockRst : kVsockInvalid, 52, i));
    while (Receive()) {
    }
  }
  EXPECT_EQ(device->connection_count(), 0U);
  EXPECT_EQ(device->metrics().conns_added.value(), 2000U);
  EXPECT_EQ(device->metrics().conns_removed.value(), 2000U);
}

TEST_F(VsockHostile, LivesThroughRandomPackets) {
  std::minstd_rand random(5);
  const auto listener = UnixListener::Bind(uds_path() + "_52");
  std::vector<HostEnd> hosts;
  for (int i = 0; i < 8000; ++i) {
    VsockHeader header =
        Header(static_cast<uint16_t>(random() % 9), random() % 4 == 0 ? 51 : 52, random() % 8);
    header.flags = static_cast<uint32_t>(random() % 5);
    header.buf_alloc = random() % 3 == 0 ? static_cast<uint32_t>(random()) : 65536;
    header.fwd_cnt = random() % 3 == 0 ? static_cast<uint32_t>(random()) : 0;
    if (random() % 64 == 0) header.dst_cid = random() % 4;
    if (random() % 64 == 0) header.type = static_cast<uint16_t>(random() % 4);
    Send(header, std::string(random() % 2000, 'z'));
    while (Result<Fd> accepted = listener->Accept()) hosts.emplace_back(*std::move(accepted));
    if (!hosts.empty()) {
      HostEnd& host = hosts[random() % hosts.size()];
      switch (random() % 8) {
        case 0:
          std::swap(host, hosts.back());
          hosts.pop_back();
          break;
        case 1:
          host.ShutDown(static_cast<int>(random() % 3));
          break;
        case 2:
          host.Read();
          break;
        default:
          host.Write(std::string(random() % 500, 'w'));
      }
    }
    if (random() % 1000 == 0) Advance(std::chrono::seconds(9));
    while (Receive()) {
    }
    ASSERT_FALSE(needs_reset());
    ASSERT_LE(device->connection_count(), 16U);
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// Sanitizers keep freed memory.
uint64_t ResidentKib() {
  std::ifstream statm("/proc/self/statm");
  uint64_t size = 0;
  uint64_t resident = 0;
  statm >> size >> resident;
  return resident * 4;
}

TEST_F(VsockHostile, FloodsGrowTheProcessByNoMoreThanAMebibyte) {
  const HostEnd host = ConnectFromHost();
  const std::string chunk(65536, 'x');
  const uint64_t before = ResidentKib();
  for (int i = 0; i < 20000; ++i) {
    Send(Header(kVsockRw, 99), chunk);                          // to nobody
    Send(Header(kVsockRequest, 99, static_cast<uint32_t>(i)));  // of nobody
    if (i % 100 == 0) Client().Write(std::string(1000, 'x'));   // garbage
    while (Receive()) {
    }
  }
  EXPECT_LE(ResidentKib(), before + 1024);
}
#endif

TEST_F(VsockHostile, GuestsKeptBytesNeverExceedTheWindow) {
  const HostEnd host = ConnectFromHost();
  const std::string chunk(65536, 'x');
  for (int i = 0; i < 100; ++i) {
    Send(kVsockRw, host_port, chunk);
    while (driver.Receive()) {
    }
  }
  // It was reset when it went on beyond window and socket.
  EXPECT_EQ(device->connection_count(), 0U);
  EXPECT_LT(device->metrics().tx_bytes_count.value(), Multiplexer::kWideWindowBytes + (1 << 20));
}

}  // namespace
}  // namespace ember::virtio::testing
