// Bytes, credit and ends of streams.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "tests/virtio/vsock/vsock_fixture.h"

namespace ember::virtio::testing {
namespace {

std::string RandomBytes(size_t count, unsigned seed) {
  std::minstd_rand random(seed);
  std::string bytes(count, ' ');
  std::ranges::generate(bytes, [&] { return static_cast<char>(random()); });
  return bytes;
}

class VsockStream : public VsockTest {
 protected:
  // Sends until the socket does not take all.
  void FillSocket() {
    const std::string chunk(65536, 'x');
    while (sent == forwarded) {
      Send(kVsockRw, host_port, chunk);
      sent += chunk.size();
      Send(kVsockCreditRequest, host_port);
      while (const auto packet = Receive()) forwarded = packet->header.fwd_cnt;
    }
  }

  uint64_t sent = 0;
  uint64_t forwarded = 0;
};

TEST_F(VsockStream, CarriesBytesBothWays) {
  const HostEnd host = ConnectFromHost();
  Send(kVsockRw, host_port, "to the host");
  EXPECT_EQ(host.Read(), "to the host");
  host.Write("to the guest");
  const auto packet = Receive();
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->header.op, kVsockRw);
  EXPECT_EQ(packet->header.len, 12U);
  EXPECT_EQ(packet->payload, "to the guest");
  EXPECT_EQ(packet->used_len, 44U + 12);
  EXPECT_EQ(packet->header.fwd_cnt, 11U);
  EXPECT_EQ(device->metrics().tx_bytes_count.value(), 11U);
  EXPECT_EQ(device->metrics().rx_bytes_count.value(), 12U);
}

TEST_F(VsockStream, KeepsTheOrderOfAMegabyteEachWay) {
  const HostEnd host = ConnectFromGuest();
  const std::string bytes = RandomBytes(1 << 20, 1);
  std::string at_host, at_guest;
  size_t to_guest = 0, to_host = 0;
  uint32_t told = 0;
  for (int i = 0; i < 100000 && (at_host.size() < bytes.size() || at_guest.size() < bytes.size());
       ++i) {
    to_guest += host.Write(std::string_view(bytes).substr(to_guest, 50000));
    const size_t room = Multiplexer::kWideWindowBytes - (to_host - told);
    const auto chunk = std::string_view(bytes).substr(to_host, std::min<size_t>(room, 60000));
    if (!chunk.empty()) {
      VsockHeader header = Header(kVsockRw, host_port);
      header.fwd_cnt = static_cast<uint32_t>(at_guest.size());
      Send(header, chunk);
      to_host += chunk.size();
    } else {
      VsockHeader header = Header(kVsockCreditUpdate, host_port);
      header.fwd_cnt = static_cast<uint32_t>(at_guest.size());
      Send(header);
    }
    while (const auto packet = Receive()) {
      told = packet->header.fwd_cnt;
      ASSERT_NE(packet->header.op, kVsockRst);
      at_guest += packet->payload;
    }
    at_host += host.Read(70000);
  }
  EXPECT_EQ(at_host, bytes);
  EXPECT_EQ(at_guest, bytes);
}

TEST_F(VsockStream, SendsTheGuestNoMoreThanItHasRoomFor) {
  const HostEnd host = ConnectFromHost();
  VsockHeader update = Header(kVsockCreditUpdate, host_port);
  update.buf_alloc = 1000;
  Send(update);
  host.Write(std::string(5000, 'x'));
  EXPECT_EQ(ReceiveAll().size(), 1000U);
  update.fwd_cnt = 1;
  Send(update);
  EXPECT_EQ(ReceiveAll().size(), 1U);
  update.fwd_cnt = 1001;
  update.buf_alloc = 10000;
  Send(update);
  EXPECT_EQ(ReceiveAll().size(), 3999U);
}

TEST_F(VsockStream, AsksForCreditOnceWhenTheGuestHasNoRoom) {
  const HostEnd host = ConnectFromHost();
  VsockHeader update = Header(kVsockCreditUpdate, host_port);
  update.buf_alloc = 10;
  Send(update);
  host.Write(std::string(50, 'x'));
  EXPECT_EQ(ReceiveOp(), kVsockRw);
  EXPECT_EQ(ReceiveOp(), kVsockCreditRequest);
  EXPECT_EQ(ReceiveOp(), -1);
  Send(update);  // still none
  EXPECT_EQ(ReceiveOp(), -1);
  update.fwd_cnt = 10;
  Send(update);
  EXPECT_EQ(ReceiveOp(), kVsockRw);
  EXPECT_EQ(ReceiveOp(), kVsockCreditRequest);
}

TEST_F(VsockStream, SendsNothingOnCreditThatMakesNoSense) {
  const HostEnd host = ConnectFromHost();
  VsockHeader update = Header(kVsockCreditUpdate, host_port);
  update.fwd_cnt = 1;  // of what was never sent
  Send(update);
  host.Write("x");
  EXPECT_EQ(ReceiveOp(), -1);
}

TEST_F(VsockStream, AnswersARequestForCredit) {
  const HostEnd host = ConnectFromHost();
  Send(kVsockRw, host_port, "12345");
  Send(kVsockCreditRequest, host_port);
  const auto update = Receive();
  ASSERT_TRUE(update);
  EXPECT_EQ(update->header.op, kVsockCreditUpdate);
  EXPECT_EQ(update->header.buf_alloc, Multiplexer::kWideWindowBytes);
  EXPECT_EQ(update->header.fwd_cnt, 5U);
}

TEST_F(VsockStream, TellsTheGuestWhenHalfItsWindowHasMoved) {
  const HostEnd host = ConnectFromHost();
  Send(kVsockRw, host_port, std::string(65536, 'x'));
  EXPECT_EQ(host.Read().size(), 65536U);
  EXPECT_EQ(ReceiveOp(), -1);
  Send(kVsockRw, host_port, std::string(65536, 'x'));
  const auto update = Receive();
  ASSERT_TRUE(update);
  EXPECT_EQ(update->header.op, kVsockCreditUpdate);
  EXPECT_EQ(update->header.fwd_cnt, 131072U);
}

TEST_F(VsockStream, KeepsAWindowForAHostThatDoesNotReadAndRecovers) {
  const HostEnd host = ConnectFromHost();
  FillSocket();
  EXPECT_EQ(ReceiveOp(), -1);
  std::string got;
  for (std::string piece; !(piece = host.Read()).empty(); rig.Pump()) got += piece;
  EXPECT_EQ(got.size(), sent);
  auto told = static_cast<uint32_t>(forwarded);
  while (const auto packet = Receive()) told = packet->header.fwd_cnt;
  EXPECT_GT(told + Multiplexer::kWideWindowBytes / 2, sent);
  Send(kVsockRw, host_port, "goes on");
  EXPECT_EQ(host.Read(), "goes on");
}

TEST_F(VsockStream, ResetsAGuestThatExceedsItsCredit) {
  const HostEnd host = ConnectFromHost();
  const std::string chunk(65536, 'x');
  int op = -1;
  // The socket takes some, the window the next four, and no more.
  for (int i = 0; i < 20 && op != kVsockRst; ++i) {
    Send(kVsockRw, host_port, chunk);
    op = ReceiveOp();
  }
  EXPECT_EQ(op, kVsockRst);
  EXPECT_EQ(device->connection_count(), 0U);
  EXPECT_EQ(device->metrics().conn_event_fails.value(), 1U);
  EXPECT_FALSE(needs_reset());
}

TEST_F(VsockStream, TakesAPacketWithoutBytes) {
  const HostEnd host = ConnectFromHost();
  Send(kVsockRw, host_port);
  Send(kVsockRw, host_port, "x");
  EXPECT_EQ(host.Read(), "x");
  EXPECT_FALSE(host.AtEnd());
}

TEST_F(VsockStream, EndsTheHostsReadingWhenTheGuestSendsNoMore) {
  const HostEnd host = ConnectFromHost();
  Send(kVsockRw, host_port, "last");
  VsockHeader shutdown = Header(kVsockShutdown, host_port);
  shutdown.flags = kVsockShutdownSend;
  Send(shutdown);
  EXPECT_EQ(host.Read(), "last");
  EXPECT_TRUE(host.AtEnd());
  host.Write("still heard");
  EXPECT_EQ(ReceiveAll(), "still heard");
}

TEST_F(VsockStream, EndsTheHostsReadingOnlyBehindWhatIsKept) {
  const HostEnd host = ConnectFromHost();
  FillSocket();
  VsockHeader shutdown = Header(kVsockShutdown, host_port);
  shutdown.flags = kVsockShutdownSend;
  Send(shutdown);
  size_t got = 0;
  for (std::string piece; !(piece = host.Read()).empty(); rig.Pump()) got += piece.size();
  EXPECT_EQ(got, sent);
  EXPECT_TRUE(host.AtEnd());
}

TEST_F(VsockStream, EndsTheHostsWritingWhenTheGuestReceivesNoMore) {
  const HostEnd host = ConnectFromHost();
  VsockHeader shutdown = Header(kVsockShutdown, host_port);
  shutdown.flags = kVsockShutdownReceive;
  Send(shutdown);
  EXPECT_EQ(host.Write("x"), 0U);
  Send(kVsockRw, host_port, "still heard");
  EXPECT_EQ(host.Read(), "still heard");
}

TEST_F(VsockStream, TellsTheGuestThatTheHostSendsNoMore) {
  const HostEnd host = ConnectFromHost();
  host.Write("last");
  host.ShutDown(SHUT_WR);
  const auto data = Receive();
  ASSERT_TRUE(data);
  EXPECT_EQ(data->payload, "last");
  const auto shutdown = Receive();
  ASSERT_TRUE(shutdown);
  EXPECT_EQ(shutdown->header.op, kVsockShutdown);
  EXPECT_EQ(shutdown->header.flags, kVsockShutdownSend);
  Send(kVsockRw, host_port, "still heard");
  EXPECT_EQ(host.Read(), "still heard");
  EXPECT_EQ(ReceiveOp(), -1);
}

TEST_F(VsockStream, TellsTheGuestThatTheHostReceivesNoMore) {
  const HostEnd host = ConnectFromHost();
  host.ShutDown(SHUT_RD);
  Send(kVsockRw, host_port, "nobody reads this");
  const auto shutdown = Receive();
  ASSERT_TRUE(shutdown);
  EXPECT_EQ(shutdown->header.op, kVsockShutdown);
  EXPECT_EQ(shutdown->header.flags, kVsockShutdownReceive);
  EXPECT_EQ(shutdown->header.fwd_cnt, 17U);
  host.Write("still heard");
  EXPECT_EQ(ReceiveAll(), "still heard");
}

TEST_F(VsockStream, TellsTheGuestThatTheHostHasGone) {
  HostEnd host = ConnectFromHost();
  host.Write("last");
  host.Close();
  const auto data = Receive();
  ASSERT_TRUE(data);
  EXPECT_EQ(data->payload, "last");
  const auto shutdown = Receive();
  ASSERT_TRUE(shutdown);
  EXPECT_EQ(shutdown->header.op, kVsockShutdown);
  EXPECT_EQ(shutdown->header.flags, kVsockShutdownBoth);
  Send(kVsockRst, host_port);
  EXPECT_EQ(ReceiveOp(), -1);
  EXPECT_EQ(device->connection_count(), 0U);
}

TEST_F(VsockStream, HearsOfTheHostsCloseAfterItsShutdown) {
  HostEnd host = ConnectFromHost();
  host.ShutDown(SHUT_WR);
  EXPECT_EQ(ReceiveOp(), kVsockShutdown);
  host.Close();
  const auto shutdown = Receive();
  ASSERT_TRUE(shutdown);
  EXPECT_EQ(shutdown->header.flags, kVsockShutdownBoth);
}

TEST_F(VsockStream, HearsOfTheHostsCloseThoughTheGuestReceivesNoMore) {
  HostEnd host = ConnectFromHost();
  VsockHeader shutdown = Header(kVsockShutdown, host_port);
  shutdown.flags = kVsockShutdownReceive;
  Send(shutdown);
  host.Close();
  const auto answer = Receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->header.flags, kVsockShutdownBoth);
}

TEST_F(VsockStream, ResetsWhenTheGuestDoesNotAnswerTheEnd) {
  HostEnd host = ConnectFromHost();
  host.Close();
  EXPECT_EQ(ReceiveOp(), kVsockShutdown);
  Advance(Multiplexer::kAnswerTimeout);
  EXPECT_EQ(ReceiveOp(), kVsockRst);
  EXPECT_EQ(device->connection_count(), 0U);
}

TEST_F(VsockStream, AnswersTheGuestsCloseWithAReset) {
  const HostEnd host = ConnectFromHost();
  Send(kVsockRw, host_port, "last");
  VsockHeader shutdown = Header(kVsockShutdown, host_port);
  shutdown.flags = kVsockShutdownBoth;
  Send(shutdown);
  EXPECT_EQ(ReceiveOp(), kVsockRst);
  EXPECT_EQ(host.Read(), "last");
  EXPECT_TRUE(host.AtEnd());
  EXPECT_EQ(device->connection_count(), 0U);
  EXPECT_EQ(device->metrics().conns_killed.value(), 0U);
}

TEST_F(VsockStream, TakesTheGuestsCloseInTwoSteps) {
  const HostEnd host = ConnectFromHost();
  VsockHeader shutdown = Header(kVsockShutdown, host_port);
  shutdown.flags = kVsockShutdownReceive;
  Send(shutdown);
  EXPECT_EQ(ReceiveOp(), -1);
  shutdown.flags = kVsockShutdownSend;
  Send(shutdown);
  EXPECT_EQ(ReceiveOp(), kVsockRst);
}

TEST_F(VsockStream, DrainsWhatIsKeptBeforeItAnswersTheGuestsClose) {
  const HostEnd host = ConnectFromHost();
  FillSocket();
  VsockHeader shutdown = Header(kVsockShutdown, host_port);
  shutdown.flags = kVsockShutdownBoth;
  Send(shutdown);
  EXPECT_EQ(ReceiveOp(), -1);
  size_t got = 0;
  for (std::string piece; !(piece = host.Read()).empty(); rig.Pump()) got += piece.size();
  EXPECT_EQ(got, sent);
  EXPECT_EQ(ReceiveOp(), kVsockRst);
  EXPECT_TRUE(host.AtEnd());
}

TEST_F(VsockStream, GivesAHostThatDoesNotReadALimitedTimeAfterTheGuestsClose) {
  const HostEnd host = ConnectFromHost();
  FillSocket();
  VsockHeader shutdown = Header(kVsockShutdown, host_port);
  shutdown.flags = kVsockShutdownBoth;
  Send(shutdown);
  Advance(Multiplexer::kDrainTimeout - std::chrono::milliseconds(1));
  EXPECT_EQ(ReceiveOp(), -1);
  Advance(std::chrono::milliseconds(1));
  EXPECT_EQ(ReceiveOp(), kVsockRst);
  EXPECT_EQ(device->connection_count(), 0U);
}

TEST_F(VsockStream, ResetsAGuestThatSendsAfterItsShutdown) {
  const HostEnd host = ConnectFromHost();
  VsockHeader shutdown = Header(kVsockShutdown, host_port);
  shutdown.flags = kVsockShutdownSend;
  Send(shutdown);
  Send(kVsockRw, host_port, "x");
  EXPECT_EQ(ReceiveOp(), kVsockRst);
}

TEST_F(VsockStream, ClosesTheHostsEndOnTheGuestsReset) {
  const HostEnd host = ConnectFromHost();
  Send(kVsockRst, host_port);
  EXPECT_TRUE(host.AtEnd());
  EXPECT_EQ(ReceiveOp(), -1);
  EXPECT_EQ(device->connection_count(), 0U);
}

TEST_F(VsockStream, ForgetsWhatIsKeptWhenTheHostLeaves) {
  HostEnd host = ConnectFromHost();
  FillSocket();
  host.Close();
  int op = -1;
  uint32_t told = 0;
  while (const auto packet = Receive()) {
    op = packet->header.op;
    told = packet->header.fwd_cnt;
  }
  EXPECT_EQ(op, kVsockShutdown);
  EXPECT_EQ(told, sent);
}

}  // namespace
}  // namespace ember::virtio::testing
