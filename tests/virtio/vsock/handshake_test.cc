// How connections begin, from the host and from the guest.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/virtio/vsock/vsock_fixture.h"

namespace ember::virtio::testing {
namespace {

using namespace std::chrono_literals;

class VsockHandshake : public VsockTest {};

TEST_F(VsockHandshake, AsksTheGuestForThePortOfAClient) {
  const HostEnd client = Client();
  client.Write("CONNECT 52\n");
  const auto request = Receive();
  ASSERT_TRUE(request);
  EXPECT_EQ(request->header.op, kVsockRequest);
  EXPECT_EQ(request->header.type, kVsockStream);
  EXPECT_EQ(request->header.src_cid, 2U);
  EXPECT_EQ(request->header.dst_cid, kGuestCid);
  EXPECT_EQ(request->header.dst_port, 52U);
  EXPECT_EQ(request->header.src_port, ConnectionTable::kFirstHostPort);
  EXPECT_EQ(request->header.len, 0U);
  EXPECT_EQ(request->header.buf_alloc, Multiplexer::kWideWindowBytes);
  EXPECT_EQ(request->used_len, 44U);
  EXPECT_EQ(client.Read(), "");
}

TEST_F(VsockHandshake, TellsTheClientItsPortWhenTheGuestAccepts) {
  const HostEnd client = ConnectFromHost();
  EXPECT_EQ(device->connection_count(), 1U);
  EXPECT_EQ(device->metrics().conns_added.value(), 1U);
}

TEST_F(VsockHandshake, GivesEachClientAnotherPort) {
  const HostEnd first = ConnectFromHost(7);
  const uint32_t first_port = host_port;
  const HostEnd second = ConnectFromHost(7);
  EXPECT_NE(host_port, first_port);
}

TEST_F(VsockHandshake, ClosesTheClientThatTheGuestRefuses) {
  const HostEnd client = Client();
  client.Write("CONNECT 52\n");
  const auto request = Receive();
  ASSERT_TRUE(request);
  Send(Header(kVsockRst, request->header.src_port, 52));
  EXPECT_TRUE(client.AtEnd());
  EXPECT_EQ(device->connection_count(), 0U);
}

TEST_F(VsockHandshake, ClosesTheClientWhenTheGuestDoesNotAnswer) {
  const HostEnd client = Client();
  client.Write("CONNECT 52\n");
  EXPECT_EQ(ReceiveOp(), kVsockRequest);
  Advance(Multiplexer::kAnswerTimeout - 1ms);
  EXPECT_FALSE(client.AtEnd());
  Advance(1ms);
  EXPECT_TRUE(client.AtEnd());
  EXPECT_EQ(ReceiveOp(), kVsockRst);
  EXPECT_EQ(device->connection_count(), 0U);
  EXPECT_EQ(device->metrics().conns_killed.value(), 1U);
}

TEST_F(VsockHandshake, TakesALineThatComesByteByByte) {
  const HostEnd client = Client();
  for (const char byte : std::string("CONNECT 52")) {
    client.Write({&byte, 1});
    EXPECT_EQ(ReceiveOp(), -1);
  }
  client.Write("\n");
  EXPECT_EQ(ReceiveOp(), kVsockRequest);
}

TEST_F(VsockHandshake, KeepsWhatAClientSendsBehindItsLine) {
  const HostEnd client = Client();
  client.Write("CONNECT 52\nand the stream");
  const auto request = Receive();
  ASSERT_TRUE(request);
  Send(Header(kVsockResponse, request->header.src_port, 52));
  EXPECT_EQ(ReceiveAll(), "and the stream");
}

TEST_F(VsockHandshake, DropsAClientThatSendsAnythingElse) {
  const std::vector<std::string> lines{"\n",
                                       "CONNECT\n",
                                       "CONNECT x\n",
                                       "CONNECT 4294967296\n",
                                       "GET / HTTP/1.1\r\n\r\n",
                                       std::string(31, ' ') + "\n",
                                       std::string(32, 'x'),
                                       std::string(100000, 'C'),
                                       std::string("\0\0\0\n", 4)};
  for (const std::string& line : lines) {
    const HostEnd client = Client();
    client.Write(line);
    EXPECT_EQ(ReceiveOp(), -1) << line.substr(0, 40);
    EXPECT_TRUE(client.AtEnd()) << line.substr(0, 40);
  }
  EXPECT_EQ(device->metrics().muxer_event_fails.value(), lines.size());
  EXPECT_EQ(device->connection_count(), 0U);
}

TEST_F(VsockHandshake, DropsAClientThatLeavesAtAnyPoint) {
  const std::string line = "CONNECT 52";
  for (size_t sent = 0; sent <= line.size(); ++sent) {
    HostEnd client = Client();
    client.Write(line.substr(0, sent));
    if (sent % 2 == 0) rig.Pump();
    client.Close();
    EXPECT_EQ(ReceiveOp(), -1) << sent;
  }
  EXPECT_EQ(device->connection_count(), 0U);
}

TEST_F(VsockHandshake, DropsAClientThatSaysNothingInTime) {
  const HostEnd client = Client();
  client.Write("CONNECT");
  rig.Pump();
  Advance(Reception::kPatience - 1ms);
  EXPECT_FALSE(client.AtEnd());
  Advance(1ms);
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(VsockHandshake, LetsOthersInThoughManySayNothing) {
  std::vector<HostEnd> silent;
  for (size_t i = 0; i < Reception::kMaxClients + 10; ++i) silent.push_back(Client());
  rig.Pump();
  const HostEnd client = Client();
  client.Write("CONNECT 52\n");
  EXPECT_EQ(ReceiveOp(), -1);
  EXPECT_FALSE(silent.front().AtEnd());
  Advance(Reception::kPatienceWhenCrowded);
  EXPECT_TRUE(silent.front().AtEnd());
  EXPECT_EQ(ReceiveOp(), kVsockRequest);
}

TEST_F(VsockHandshake, GivesUpOnAClientThatLeftBeforeTheGuestAccepts) {
  HostEnd client = Client();
  client.Write("CONNECT 52\n");
  const auto request = Receive();
  ASSERT_TRUE(request);
  client.Close();
  Send(Header(kVsockResponse, request->header.src_port, 52));
  EXPECT_EQ(ReceiveOp(), kVsockRst);
  EXPECT_EQ(device->connection_count(), 0U);
}

TEST_F(VsockHandshake, ConnectsTheGuestToTheSocketOfThePort) {
  const HostEnd host = ConnectFromGuest(52);
  EXPECT_EQ(device->connection_count(), 1U);
  Send(kVsockRw, 52, "hello");
  EXPECT_EQ(host.Read(), "hello");
}

TEST_F(VsockHandshake, AnswersFromTheAddressThatTheGuestAskedFor) {
  const auto listener = UnixListener::Bind(uds_path() + "_4294967295");
  Send(Header(kVsockRequest, 4294967295, 0));
  const auto response = Receive();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->header.op, kVsockResponse);
  EXPECT_EQ(response->header.src_cid, 2U);
  EXPECT_EQ(response->header.src_port, 4294967295U);
  EXPECT_EQ(response->header.dst_cid, kGuestCid);
  EXPECT_EQ(response->header.dst_port, 0U);
}

TEST_F(VsockHandshake, RefusesAGuestWhereNobodyListens) {
  directory.Write("v_7", "a file");
  for (const uint32_t port : {6U, 7U}) {
    Send(kVsockRequest, port);
    const auto reset = Receive();
    ASSERT_TRUE(reset);
    EXPECT_EQ(reset->header.op, kVsockRst);
    EXPECT_EQ(reset->header.src_port, port);
    EXPECT_EQ(reset->header.dst_port, kGuestPort);
  }
  EXPECT_EQ(device->connection_count(), 0U);
}

TEST_F(VsockHandshake, EndsAConnectionThatTheGuestRequestsTwice) {
  const HostEnd host = ConnectFromGuest(52);
  Send(kVsockRequest, 52);
  EXPECT_EQ(ReceiveOp(), kVsockRst);
  EXPECT_TRUE(host.AtEnd());
  EXPECT_EQ(device->connection_count(), 0U);
}

TEST_F(VsockHandshake, EndsAConnectionThatIsAcceptedUnasked) {
  const HostEnd host = ConnectFromGuest(52);
  Send(kVsockResponse, 52);
  EXPECT_EQ(ReceiveOp(), kVsockRst);
  EXPECT_TRUE(host.AtEnd());
}

TEST_F(VsockHandshake, EndsAConnectionWhoseGuestTalksBeforeItAccepts) {
  for (const uint16_t op : {kVsockRw, kVsockShutdown, kVsockRequest, kVsockInvalid}) {
    const HostEnd client = Client();
    client.Write("CONNECT 1024\n");
    const auto request = Receive();
    ASSERT_TRUE(request);
    Send(op, request->header.src_port);
    EXPECT_EQ(ReceiveOp(), kVsockRst) << op;
    EXPECT_TRUE(client.AtEnd()) << op;
  }
}

TEST_F(VsockHandshake, LeavesClientsInTheBacklogWhileThereIsNoDriver) {
  rig.driver.Write(reg::kStatus, 0);
  const HostEnd client = Client();
  client.Write("CONNECT 52\n");
  rig.Pump();
  driver.Start();
  EXPECT_EQ(ReceiveOp(), kVsockRequest);
}

TEST(VsockSocketTest, RefusesAPathThatIsTaken) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("v", "");
  const auto device = VsockDevice::Create({.guest_cid = 3, .uds_path = path});
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().message(), "bind " + path + ": Address already in use");
}

TEST(VsockSocketTest, GoesWithTheDevice) {
  const TemporaryDirectory directory;
  {
    const auto device = VsockDevice::Create({.guest_cid = 3, .uds_path = directory.Path("v")});
    ASSERT_TRUE(device);
    EXPECT_TRUE(std::filesystem::exists(directory.Path("v")));
  }
  EXPECT_FALSE(std::filesystem::exists(directory.Path("v")));
}

}  // namespace
}  // namespace ember::virtio::testing
