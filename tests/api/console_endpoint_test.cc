#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/request_parser.h"
#include "base/concat.h"
#include "base/thread.h"
#include "tests/api/api_fixture.h"
#include "tests/api/guest_console.h"
#include "tests/base/open_descriptors.h"

// GET and PATCH /console over the socket: connections that become a console's.
namespace ember::api {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kUpgrade = "Connection: Upgrade\r\nUpgrade: ember-console/1\r\n";
constexpr std::string_view kSwitched =
    "HTTP/1.1 101 \r\nServer: Firecracker API\r\nConnection: Upgrade\r\n"
    "Upgrade: ember-console/1\r\n\r\n";
constexpr size_t kMib = size_t{1} << 20;

std::string Attaching(std::string_view path = "/console", std::string_view fields = kUpgrade) {
  return Concat("GET ", path, " HTTP/1.1\r\nHost: localhost\r\n", fields, "\r\n");
}

class ConsoleEndpointTest : public ApiTest {
 protected:
  ~ConsoleEndpointTest() override { StopAll(); }

  // With a machine that runs.
  void Begin(GuestConsole::Guest guest = GuestConsole::Guest::kEchoes,
             size_t max_connections = 1024, size_t log_bytes = 65536) {
    console_ = std::make_unique<GuestConsole>(*loop_, directory_.Path("con"), guest, log_bytes);
    room_.SetDevices([this](const auto& action) { return console_->Perform(action); });
    Serve(max_connections);
    StartMachine();
  }
  void GuestWrites(std::string text) {
    loop_->Post([this, text = std::move(text)] { console_->Write(text); });
  }
  // Attached, and the head taken.
  ApiClient Attach(std::string_view path = "/console") {
    ApiClient client = Connect();
    client.Send(Attaching(path));
    EXPECT_EQ(client.Receive().value_or(Reply{}).head, kSwitched);
    return client;
  }
  // What one who wants to attach is told.
  Reply Refused(std::string_view request) {
    ApiClient client = Connect();
    client.Send(request);
    return client.Receive().value_or(Reply{});
  }

  std::unique_ptr<GuestConsole> console_;
};

TEST_F(ConsoleEndpointTest, GivesTheTailAndThenBytesBothWays) {
  Begin();
  GuestWrites("login: ");
  ApiClient client = Attach();
  EXPECT_EQ(client.ReceiveBytes(7), "login: ");
  ASSERT_TRUE(client.Send("root\n"));
  EXPECT_EQ(client.ReceiveBytes(5), "root\n");
  GuestWrites("# ");
  EXPECT_EQ(client.ReceiveBytes(2), "# ");
}

TEST_F(ConsoleEndpointTest, EveryClientHearsTheSame) {
  Begin();
  ApiClient one = Attach(), other = Attach("/console?port=con");
  ASSERT_TRUE(one.Send("hello"));
  EXPECT_EQ(one.ReceiveBytes(5), "hello");
  EXPECT_EQ(other.ReceiveBytes(5), "hello");
}

TEST_F(ConsoleEndpointTest, WithoutTheUpgradeTellsWhatToAskForAndGoesOn) {
  Begin();
  ApiClient client = Connect();
  const Reply reply = client.Call("GET", "/console").value_or(Reply{});
  constexpr std::string_view kBody =
      R"({"fault_message":"This is to be had by the headers Connection: Upgrade and )"
      R"(Upgrade: ember-console/1 alone."})";
  EXPECT_EQ(reply.body, kBody);
  EXPECT_EQ(reply.head,
            Concat("HTTP/1.1 426 \r\nServer: Firecracker API\r\nConnection: keep-alive, Upgrade"
                   "\r\nUpgrade: ember-console/1\r\nContent-Type: application/json\r\n"
                   "Content-Length: ",
                   kBody.size(), "\r\n\r\n"));
  EXPECT_EQ(client.Call("GET", "/version").value_or(Reply{}).status, 200);
}

TEST_F(ConsoleEndpointTest, HalfAnUpgradeIsNone) {
  Begin();
  for (const std::string_view fields : {"Upgrade: ember-console/1\r\n", "Connection: Upgrade\r\n",
                                        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
                                        "Connection: keep-alive\r\nUpgrade: ember-console/1\r\n",
                                        "Connection: Upgrade\r\nUpgrade: ember-console/2\r\n"}) {
    EXPECT_EQ(Refused(Attaching("/console", fields)).status, 426) << fields;
  }
  EXPECT_EQ(Refused(Concat("GET /console HTTP/1.0\r\n", kUpgrade, "\r\n")).status, 426);
}

TEST_F(ConsoleEndpointTest, FieldsMayBeWrittenInEveryWayOfHttp) {
  Begin();
  ApiClient client = Connect();
  client.Send(Attaching("/console",
                        "upgrade: h2c\r\nUPGRADE: websocket, Ember-Console/1\r\n"
                        "connection: keep-alive, uPGRADE\r\nContent-Length: 0\r\n"));
  EXPECT_EQ(client.Receive().value_or(Reply{}).status, 101);
}

TEST_F(ConsoleEndpointTest, BeforeTheStartThereIsNoConsole) {
  Serve();
  EXPECT_THAT(Refused(Attaching()).body, HasSubstr("not supported before starting the microVM"));
}

TEST_F(ConsoleEndpointTest, WhatTheMachineRefusesIsAFault) {
  Begin();
  const Reply reply = Refused(Attaching("/console?port=other"));
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.body, R"({"fault_message":"console port is not there"})");
  EXPECT_THAT(Refused(Attaching("/console?prt=con")).body, HasSubstr("expected `port`"));
}

TEST_F(ConsoleEndpointTest, BytesBehindTheRequestAreTheConsoles) {
  Begin();
  ApiClient client = Connect();
  const std::string behind = Concat("typed at once", RequestBytes("GET", "/version", ""),
                                    std::string(RequestParser::kMaxHeadBytes, 'x'));
  ASSERT_TRUE(client.Send(Concat(Attaching(), behind)));
  EXPECT_EQ(client.Receive().value_or(Reply{}).head, kSwitched);
  EXPECT_EQ(client.ReceiveBytes(behind.size()), behind);
}

TEST_F(ConsoleEndpointTest, BytesBehindARequestThatWasRefusedAreNoRequests) {
  Begin();
  ApiClient client = Connect();
  ASSERT_TRUE(client.Send(Concat(Attaching("/console?port=other"),
                                 RequestBytes("PATCH", "/vm", R"({"state":"Paused"})"))));
  const Reply reply = client.Receive().value_or(Reply{});
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.head, HasSubstr("Connection: close"));
  EXPECT_TRUE(client.AwaitEnd());
  EXPECT_THAT(room_.events(), Not(Contains("pause")));
}

TEST_F(ConsoleEndpointTest, AnUpgradeWithABodyIsRefused) {
  Begin();
  ApiClient client = Connect();
  ASSERT_TRUE(client.Send(
      Concat(Attaching("/console", Concat(kUpgrade, "Content-Length: 5\r\n")), "hello")));
  EXPECT_EQ(client.Receive().value_or(Reply{}).body,
            R"({"fault_message":"GET request cannot have a body."})");
  EXPECT_TRUE(client.AwaitEnd());
}

TEST_F(ConsoleEndpointTest, AnswersBeforeItComeBeforeIt) {
  Begin();
  ApiClient client = Connect();
  ASSERT_TRUE(client.Send(Concat(RequestBytes("GET", "/version", ""),
                                 RequestBytes("PATCH", "/vm", R"({"state":"Paused"})"), Attaching(),
                                 "typed")));
  EXPECT_EQ(client.Receive().value_or(Reply{}).status, 200);
  EXPECT_EQ(client.Receive().value_or(Reply{}).status, 204);
  EXPECT_EQ(client.Receive().value_or(Reply{}).head, kSwitched);
  EXPECT_EQ(client.ReceiveBytes(5), "typed");
}

TEST_F(ConsoleEndpointTest, AClientThatReadsNoAnswersIsNotAttachedBeforeItDoes) {
  Begin();
  ApiClient client = Connect();
  std::string requests;
  constexpr int kRequests = 3000;
  for (int i = 0; i < kRequests; ++i) requests += RequestBytes("GET", "/version", "");
  Thread sender = *Thread::Start("sender", [&] {
    client.Send(requests);
    client.Send(Concat(Attaching(), "typed"));
  });
  EXPECT_EQ(Call("GET", "/version").status, 200);
  for (int i = 0; i < kRequests; ++i) ASSERT_EQ(client.Receive().value_or(Reply{}).status, 200);
  EXPECT_EQ(client.Receive().value_or(Reply{}).head, kSwitched);
  EXPECT_EQ(client.ReceiveBytes(5), "typed");
  sender.Join();
}

TEST_F(ConsoleEndpointTest, AClientThatEndsItsSideGoesOnReading) {
  Begin();
  ApiClient client = Connect();
  ASSERT_TRUE(client.Send(Concat(Attaching(), "last words")));
  client.EndOutput();
  EXPECT_EQ(client.Receive().value_or(Reply{}).head, kSwitched);
  EXPECT_EQ(client.ReceiveBytes(10), "last words");
  GuestWrites("an answer");
  EXPECT_EQ(client.ReceiveBytes(9), "an answer");
}

TEST_F(ConsoleEndpointTest, AFloodBothWaysArrivesWhole) {
  constexpr size_t kSize = 4 * kMib;
  Begin(GuestConsole::Guest::kEchoes, 1024, kSize);
  ApiClient client = Attach();
  std::string sent;
  while (sent.size() < kSize) sent += Concat(sent.size(), " ");
  Thread sender = *Thread::Start("sender", [&] { client.Send(sent); });
  EXPECT_TRUE(client.ReceiveBytes(sent.size()) == sent);
  sender.Join();
}

TEST_F(ConsoleEndpointTest, OneThatNeverReadsHoldsUpNobody) {
  Begin(GuestConsole::Guest::kDoesNotRead);
  ApiClient idle = Attach();
  for (int i = 0; i < 64; ++i) GuestWrites(std::string(65536, 'o'));
  EXPECT_EQ(Call("PATCH", "/vm", R"({"state":"Paused"})").status, 204);
  ApiClient late = Attach();
  EXPECT_EQ(late.ReceiveBytes(65536).size(), 65536U);
  EXPECT_EQ(console_->metrics().disconnected_clients.value(), 1U);
}

TEST_F(ConsoleEndpointTest, OneTooManyIsRefusedAndTheNextIsNot) {
  Begin();
  std::vector<ApiClient> clients;
  for (size_t i = 0; i < virtio::ConsolePort::kMaxClients; ++i) clients.push_back(Attach());
  EXPECT_EQ(Refused(Attaching()).body,
            R"({"fault_message":"console port con has 16 clients, which is the limit"})");
  clients.pop_back();
  while (Refused(Attaching()).status != 101) ::sched_yield();
}

TEST_F(ConsoleEndpointTest, WhoIsAttachedIsNoConnectionOfTheApisAnyMore) {
  constexpr size_t kMaxConnections = 4;
  Begin(GuestConsole::Guest::kEchoes, kMaxConnections);
  std::vector<ApiClient> clients;
  for (size_t i = 0; i < 2 * kMaxConnections; ++i) clients.push_back(Attach());
  for (size_t i = 0; i < 2 * kMaxConnections; ++i) {
    EXPECT_EQ(Call("GET", "/version").status, 200);
  }
  ASSERT_TRUE(clients[0].Send("x"));
  for (ApiClient& client : clients) EXPECT_EQ(client.ReceiveBytes(1), "x");
}

TEST_F(ConsoleEndpointTest, AThousandThatVanishLeaveNothing) {
  Begin();
  Call("GET", "/version");
  const size_t before = OpenDescriptors();
  for (int i = 0; i < 1000; ++i) {
    ApiClient client = Connect();
    ASSERT_TRUE(client.Send(Concat(Attaching(), i % 3 == 0 ? "input" : "")));
    if (i % 2 == 0) client.Receive();
  }
  while (OpenDescriptors() > before) ASSERT_EQ(Call("GET", "/version").status, 200);
  Attach();
}

TEST_F(ConsoleEndpointTest, TheMachinesEndIsTheConnections) {
  Begin();
  ApiClient client = Attach();
  ASSERT_TRUE(client.Send("x"));
  EXPECT_EQ(client.ReceiveBytes(1), "x");
  GuestWrites("Power down");
  EXPECT_EQ(client.ReceiveBytes(10), "Power down");
  StopAll();
  console_.reset();
  EXPECT_TRUE(client.AwaitEnd());
}

TEST_F(ConsoleEndpointTest, WhoIsOnTheWayWhenTheApiEndsIsTold) {
  Begin();
  room_.Hold();
  ApiClient client = Connect();
  ASSERT_TRUE(client.Send(Attaching()));
  room_.AwaitHeldRequest();
  server_->Stop();
  EXPECT_EQ(client.Receive().value_or(Reply{}).body,
            R"({"fault_message":"The microVM is ending."})");
  EXPECT_TRUE(client.AwaitEnd());
}

TEST_F(ConsoleEndpointTest, PatchGivesThePortItsSize) {
  Begin();
  EXPECT_EQ(Call("PATCH", "/console", R"({"columns":132,"rows":50})").status, 204);
  EXPECT_EQ(Call("PATCH", "/console", R"({"port":"con","columns":65535,"rows":1})").status, 204);
  EXPECT_EQ(console_->sizes(), "first 132x50\ncon 65535x1\n");
  EXPECT_THAT(Call("PATCH", "/console", R"({"columns":65536,"rows":1})").body,
              HasSubstr("columns: invalid value: integer `65536`, expected u16"));
}

}  // namespace
}  // namespace ember::api
