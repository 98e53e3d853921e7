#include "api/server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/journal.h"
#include "tests/api/api_fixture.h"
#include "tests/base/open_descriptors.h"

// Sockets, threads and many clients.
namespace ember::api {
namespace {

using testing::HasSubstr;

constexpr std::string_view kHalfARequest = "PUT /machine-config HTTP/1.1\r\nContent-Le";

class ServerTest : public ApiTest {
 protected:
  void ExpectServed() { EXPECT_EQ(Call("GET", "/version").status, 200); }
  // Has the machine's loop answer nothing until Release().
  void HoldLoop() {
    room_.Hold();
    loop_->Post([this] { static_cast<void>(room_.factory().build({})); });
    room_.AwaitHeldRequest();
  }
  size_t CountConfigured() const {
    const auto records = controller_.journal().After(0, 1000).records;
    constexpr std::string_view kEvent = "configured";
    return static_cast<size_t>(std::ranges::count(records, kEvent, &Journal::Record::event));
  }

  static inline const std::string kAction =
      RequestBytes("PATCH", "/machine-config", R"({"vcpu_count":2})");
};

TEST_F(ServerTest, AcceptsBeforeItAnswers) {
  auto server = Server::Listen({.socket_path = socket_path()});
  ASSERT_TRUE(server);
  ApiClient early = Connect();
  ASSERT_TRUE(early.valid());
  ASSERT_TRUE(early.Send(RequestBytes("GET", "/version", "")));
  ASSERT_TRUE((*server)->Start(controller_, "test-vm"));
  EXPECT_EQ(early.Receive().value_or(Reply{}).status, 200);
}

TEST_F(ServerTest, OnceStoppedItOutlivesItsController) {
  auto server = *Server::Listen({.socket_path = socket_path()});
  auto controller = std::make_unique<vmm::Controller>(*loop_, room_.factory());
  ASSERT_TRUE(server->Start(*controller, "test-vm"));
  server->Stop();
  controller.reset();
}

TEST_F(ServerTest, RefusesAPathThatExistsAndLeavesIt) {
  const std::string path = directory_.Write("taken", "content");
  const auto server = Server::Listen({.socket_path = path});
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().message(),
            Concat("Failed to open the API socket at: ", path,
                   ". Check that it is not already used: Address already in use"));
  EXPECT_EQ(TemporaryDirectory::Read(path), "content");
}

TEST_F(ServerTest, RefusesAPathTooLongForASocket) {
  const auto server = Server::Listen({.socket_path = "/" + std::string(107, 'x')});
  ASSERT_FALSE(server);
  EXPECT_THAT(server.error().message(), HasSubstr("108 bytes, which exceeds the limit 107"));
}

TEST_F(ServerTest, RemovesItsSocketAtTheEnd) {
  Serve();
  EXPECT_TRUE(std::filesystem::is_socket(socket_path()));
  ApiClient client = Connect();
  EXPECT_EQ(client.Call("GET", "/").value_or(Reply{}).status, 200);
  StopAll();
  EXPECT_FALSE(std::filesystem::exists(socket_path()));
  EXPECT_TRUE(client.AwaitEnd());
}

TEST_F(ServerTest, AdoptsASocketThatListensAndDoesNotRemoveIt) {
  Fd listening(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = socket_path();
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);  // as the call wants it
  ASSERT_EQ(::bind(listening.get(), generic, sizeof(address)), 0);
  ASSERT_EQ(::listen(listening.get(), 8), 0);
  auto server = Server::Adopt(std::move(listening), {});
  ASSERT_TRUE(server) << server.error().message();
  ASSERT_TRUE((*server)->Start(controller_, "test-vm"));
  ExpectServed();
  (*server)->Stop();
  EXPECT_TRUE(std::filesystem::is_socket(path));
}

TEST_F(ServerTest, AnswersQuestionsWhileTheMachineIsBusy) {
  Serve();
  Configure();
  room_.Hold();
  ApiClient starter = Connect();
  ASSERT_TRUE(starter.Send(RequestBytes("PUT", "/actions", R"({"action_type":"InstanceStart"})")));
  room_.AwaitHeldRequest();
  EXPECT_THAT(State(), HasSubstr(R"("state":"Not started")"));
  room_.Release();
  EXPECT_EQ(starter.Receive().value_or(Reply{}).status, 204);
  EXPECT_THAT(State(), HasSubstr(R"("state":"Running")"));
}

TEST_F(ServerTest, TellsThoseWhoWaitThatTheMachineIsEnding) {
  Serve();
  StartMachine();
  room_.Hold();
  ApiClient first = Connect();
  ApiClient second = Connect();
  const std::string pause = RequestBytes("PATCH", "/vm", R"({"state":"Paused"})");
  ASSERT_TRUE(first.Send(pause));
  room_.AwaitHeldRequest();
  ASSERT_TRUE(second.Send(pause));
  EXPECT_EQ(Call("GET", "/version").status, 200);  // so the second's request has been read
  loop_->Stop();                                   // the first's is under way, the second's is not
  StopAll();
  EXPECT_EQ(first.Receive().value_or(Reply{}).status, 204);
  EXPECT_THAT(second.Receive().value_or(Reply{}).body, HasSubstr("The microVM is ending."));
}

TEST_F(ServerTest, ServesAThousandConnectionsOneAfterTheOther) {
  Serve();
  ExpectServed();
  const size_t descriptors = OpenDescriptors();
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(Call("GET", "/version").status, 200) << i;
  ExpectServed();
  // The last ones' may not be closed yet.
  EXPECT_LE(OpenDescriptors(), descriptors + 2);
}

TEST_F(ServerTest, ServesAThousandConnectionsAtOnce) {
  constexpr size_t kClients = 1000;
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  // Both ends of each are this process's here.
  if (limit.rlim_max < 2 * kClients + 100) GTEST_SKIP() << limit.rlim_max << " descriptors at most";
  Serve();
  std::vector<ApiClient> clients;
  for (size_t i = 0; i < kClients; ++i) {
    clients.push_back(Connect());
    ASSERT_TRUE(clients.back().Send(kHalfARequest));
  }
  ExpectServed();
  for (ApiClient& client : clients) ASSERT_TRUE(client.Send("ngth: 2\r\n\r\n{}"));
  for (ApiClient& client : clients) {
    ASSERT_THAT(client.Receive().value_or(Reply{}).body, HasSubstr("missing field `vcpu_count`"));
  }
  for (ApiClient& client : clients) {
    ASSERT_EQ(client.Call("GET", "/version").value_or(Reply{}).status, 200);
  }
}

TEST_F(ServerTest, AClientThatSendsByteByByteHoldsUpNobody) {
  Serve();
  ApiClient slow = Connect();
  ApiClient other = Connect();
  for (const char byte : RequestBytes("PATCH", "/machine-config", R"({"vcpu_count":2})")) {
    ASSERT_TRUE(slow.Send({&byte, 1}));
    ASSERT_EQ(other.Call("GET", "/version").value_or(Reply{}).status, 200);
  }
  EXPECT_EQ(slow.Receive().value_or(Reply{}).status, 204);
}

TEST_F(ServerTest, ABodyOfTheLimitIsTakenAndOneByteMoreIsNot) {
  Serve();
  std::string body = R"({"vcpu_count":2})";
  body.resize(51200, ' ');
  ApiClient client = Connect();
  EXPECT_EQ(client.Call("PATCH", "/machine-config", body).value_or(Reply{}).status, 204);
  const Reply refused = client.Call("PATCH", "/machine-config", body + ' ').value_or(Reply{});
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("Request payload with size 51201 is larger than the limit of "
                                      "51200 allowed by server."));
  EXPECT_TRUE(client.AwaitEnd());
  ExpectServed();
}

TEST_F(ServerTest, AClientThatReadsNothingHoldsUpNobody) {
  Serve();
  ApiClient deaf = Connect();
  Thread writer = *Thread::Start("deaf", [&deaf] {
    // Until the socket takes no more, which is where its patience ends.
    for (int i = 0; i < 20'000 && deaf.Send(RequestBytes("GET", "/vm/config", "")); ++i) {
    }
  });
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(Call("GET", "/version").status, 200) << i;
  StopAll();
}

TEST_F(ServerTest, ServesThoseWhoKeepTheirConnections) {
  Serve();
  std::vector<ApiClient> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(Connect());
  for (int round = 0; round < 20; ++round) {
    for (ApiClient& client : clients) {
      ASSERT_EQ(client.Call("GET", "/machine-config").value_or(Reply{}).status, 200);
    }
  }
}

TEST_F(ServerTest, HalfOpenConnectionsHoldUpNobody) {
  Serve();
  std::vector<ApiClient> stalled;
  for (int i = 0; i < 100; ++i) {
    stalled.push_back(Connect());
    ASSERT_TRUE(stalled.back().Send(kHalfARequest));
  }
  ExpectServed();
  ASSERT_TRUE(
      stalled[50].Send("ngth: 31\r\n\r\n"
                       R"({"vcpu_count":1,"mem_size_mib":1})"));
  EXPECT_EQ(stalled[50].Receive().value_or(Reply{}).status, 400);
}

TEST_F(ServerTest, NewcomerPushesOutTheClientLongestWithoutAnAnswer) {
  Serve(4);
  ApiClient busy = Connect();
  EXPECT_EQ(busy.Call("GET", "/version").value_or(Reply{}).status, 200);
  std::vector<ApiClient> stalled;
  for (int i = 0; i < 3; ++i) {
    stalled.push_back(Connect());
    // Its answer says that the server has it: else it might come after the busy one's.
    ASSERT_TRUE(stalled.back().Call("GET", "/version"));
    ASSERT_TRUE(stalled.back().Send(kHalfARequest));
  }
  EXPECT_EQ(busy.Call("GET", "/version").value_or(Reply{}).status, 200);
  ExpectServed();
  EXPECT_FALSE(stalled[0].Receive());
  EXPECT_EQ(busy.Call("GET", "/version").value_or(Reply{}).status, 200);
}

TEST_F(ServerTest, ClientsWithActionsUnderWayAreNotPushedOut) {
  Serve(2);
  ApiClient first = Connect();
  ApiClient second = Connect();
  ASSERT_TRUE(first.Call("GET", "/version"));
  ASSERT_TRUE(second.Call("GET", "/version"));
  HoldLoop();
  ASSERT_TRUE(first.Send(RequestBytes("PATCH", "/machine-config", R"({"vcpu_count":2})")));
  ASSERT_TRUE(second.Send(RequestBytes("PATCH", "/machine-config", R"({"mem_size_mib":64})")));
  ApiClient refused = Connect();
  const Reply reply = refused.Receive().value_or(Reply{});
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.body, R"({ "error": "Too many open connections" })");
  EXPECT_THAT(reply.head, HasSubstr("Connection: close\r\n"));
  room_.Release();
  EXPECT_EQ(first.Receive().value_or(Reply{}).status, 204);
  EXPECT_EQ(second.Receive().value_or(Reply{}).status, 204);
}

TEST_F(ServerTest, ClientThatDisappearsMidRequestIsForgotten) {
  Serve();
  ExpectServed();
  const size_t descriptors = OpenDescriptors();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(Connect().Send(kHalfARequest));
  ExpectServed();
  EXPECT_LE(OpenDescriptors(), descriptors + 2);
}

TEST_F(ServerTest, ActionOfAClientThatDisappearedIsDoneAllTheSame) {
  Serve();
  ASSERT_TRUE(Connect().Send(RequestBytes("PATCH", "/machine-config", R"({"vcpu_count":2})")));
  // Actions are carried out in order: once this one is, the other is.
  EXPECT_EQ(Call("PATCH", "/machine-config", R"({"mem_size_mib":64})").status, 204);
  EXPECT_THAT(Call("GET", "/machine-config").body, HasSubstr(R"("vcpu_count":2)"));
}

TEST_F(ServerTest, ActionsThatClientsLeaveBehindAreBounded) {
  constexpr size_t kMaxActions = 4;
  Serve(8, kMaxActions);
  HoldLoop();
  for (int i = 0; i < 100; ++i) {
    ApiClient client = Connect();
    ASSERT_TRUE(client.Send(RequestBytes("GET", "/version", "") + kAction));
    // An answer that is there and not read: its connection is not closed but reset. The action was
    // taken with it.
    ASSERT_TRUE(client.AwaitBytes());
    if (i % 2 == 0) client.Receive();
  }
  ApiClient client = Connect();
  ASSERT_TRUE(client.Send(kAction));
  const Reply refused = client.Receive().value_or(Reply{});
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.body,
            R"({"fault_message":"The microVM has 4 actions to carry out, which is the limit."})");
  EXPECT_EQ(client.Call("GET", "/version").value_or(Reply{}).status, 200);
  room_.Release();
  int status = 503;
  while (status == 503) {
    ASSERT_TRUE(client.Send(kAction));
    status = client.Receive().value_or(Reply{}).status;
  }
  EXPECT_EQ(status, 204);
  EXPECT_EQ(CountConfigured(), kMaxActions + 1);
}

TEST_F(ServerTest, QuestionsAreAnsweredWhileAllActionsWait) {
  Serve(4, 2);
  HoldLoop();
  ApiClient first = Connect();
  ApiClient second = Connect();
  ASSERT_TRUE(first.Send(kAction));
  ASSERT_TRUE(second.Send(kAction));
  for (int i = 0; i < 10; ++i) ExpectServed();
  std::vector<ApiClient> idle;
  for (int i = 0; i < 10; ++i) {
    idle.push_back(Connect());
    ASSERT_EQ(idle.back().Call("GET", "/version").value_or(Reply{}).status, 200);
  }
  room_.Release();
  EXPECT_EQ(first.Receive().value_or(Reply{}).status, 204);
  EXPECT_EQ(second.Receive().value_or(Reply{}).status, 204);
}

TEST_F(ServerTest, PipelinedActionsBeyondTheLimitAreRefusedEach) {
  Serve(8, 1);
  HoldLoop();
  ApiClient first = Connect();
  ASSERT_TRUE(first.Send(RequestBytes("GET", "/version", "") + kAction));
  EXPECT_EQ(first.Receive().value_or(Reply{}).status, 200);
  ApiClient client = Connect();
  constexpr int kRequests = 300;
  std::string requests;
  for (int i = 0; i < kRequests; ++i) requests += kAction;
  ASSERT_TRUE(client.Send(requests + RequestBytes("GET", "/version", "")));
  for (int i = 0; i < kRequests; ++i) {
    ASSERT_EQ(client.Receive().value_or(Reply{}).status, 503) << i;
  }
  EXPECT_EQ(client.Receive().value_or(Reply{}).status, 200);
  room_.Release();
  EXPECT_EQ(first.Receive().value_or(Reply{}).status, 204);
}

TEST_F(ServerTest, ClientThatDisappearsMidAnswerIsForgotten) {
  Serve();
  std::string many;
  for (int i = 0; i < 300; ++i) many += RequestBytes("GET", "/vm/config", "");
  for (int i = 0; i < 10; ++i) Connect().Send(many);
  ExpectServed();
}

TEST_F(ServerTest, AnswersAllThatAClientPipelinesBeforeItReads) {
  Serve();
  constexpr int kRequests = 2000;
  ApiClient client = Connect();
  Thread writer = *Thread::Start("writer", [&client] {
    for (int i = 0; i < kRequests; ++i) client.Send(RequestBytes("GET", "/vm/config", ""));
  });
  for (int i = 0; i < kRequests; ++i) {
    ASSERT_EQ(client.Receive().value_or(Reply{}).status, 200) << i;
  }
}

TEST_F(ServerTest, AnswersAClientThatHasEndedItsSide) {
  Serve();
  ApiClient client = Connect();
  ASSERT_TRUE(client.Send(RequestBytes("PATCH", "/machine-config", R"({"vcpu_count":2})")));
  client.EndOutput();
  EXPECT_EQ(client.Receive().value_or(Reply{}).status, 204);
  EXPECT_TRUE(client.AwaitEnd());
}

TEST_F(ServerTest, ReasonReachesAClientThatStillSendsItsBody) {
  Serve();
  ApiClient client = Connect();
  // More than the socket's buffer holds, so that the client can finish only if it is listened to.
  ASSERT_TRUE(client.Send("PUT /actions HTTP/1.1\r\nContent-Length: 600000\r\n\r\n"));
  ASSERT_TRUE(client.Send(std::string(600000, ' ')));
  EXPECT_THAT(client.Receive().value_or(Reply{}).body,
              HasSubstr("Request payload with size 600000 is larger than the limit of 51200"));
  EXPECT_TRUE(client.AwaitEnd());
}

TEST_F(ServerTest, ClientThatGoesOnAfterTheReasonIsCutOff) {
  Serve();
  ApiClient client = Connect();
  ASSERT_TRUE(client.Send("nonsense\r\n\r\n"));
  while (client.Send(std::string(65536, 'x'))) {
  }
  ExpectServed();
}

TEST_F(ServerTest, ClientsAtTheSameTimeGetTheirOwnAnswers) {
  Serve();
  std::vector<Thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.push_back(*Thread::Start("client", [this, i] {
      ApiClient client = Connect();
      const std::string path = Concat("/client", i);
      for (int request = 0; request < 100; ++request) {
        const Reply miss = client.Call("GET", path).value_or(Reply{});
        EXPECT_THAT(miss.body, HasSubstr(path));
        EXPECT_EQ(
            client.Call("PATCH", "/machine-config", R"({"smt":true})").value_or(Reply{}).status,
            204);
      }
    }));
  }
}

}  // namespace
}  // namespace ember::api
