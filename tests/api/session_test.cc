#include "api/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/concat.h"
#include "base/event_loop.h"
#include "tests/api/api_client.h"
#include "tests/base/temporary_directory.h"
#include "tests/vmm/fake_machine.h"
#include "vmm/controller.h"

// HTTP as clients, good and bad, speak it; bytes in, bytes out, no socket.
namespace ember::api {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

constexpr size_t kMaxBodyBytes = 1024;
constexpr std::string_view kBadRequestHead =
    "HTTP/1.1 400 \r\nServer: Firecracker API\r\nConnection: close\r\n"
    "Content-Type: application/json\r\nContent-Length: ";
constexpr std::string_view kNoContent =
    "HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n";
constexpr std::string_view kVersionBody = R"({"firecracker_version":")" EMBER_API_VERSION R"("})";

std::string VersionReply(std::string_view connection = "keep-alive") {
  return Concat("HTTP/1.1 200 \r\nServer: Firecracker API\r\nConnection: ", connection,
                "\r\nContent-Type: application/json\r\nContent-Length: ", kVersionBody.size(),
                "\r\n\r\n", kVersionBody);
}

constexpr std::string_view kGetVersion = "GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n";

class SessionTest : public testing::Test {
 protected:
  // What the session has to send, as if it were sent.
  std::string TakeOutput() {
    std::string output(session_.output());
    session_.OnSent(output.size());
    return output;
  }
  std::string Exchange(std::string_view bytes) {
    session_.Receive(bytes);
    return TakeOutput();
  }

  vmm::FakeMachineRoom room_;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  vmm::Controller controller_{*loop_, room_.factory()};
  Router router_{controller_, "test-vm"};
  Session session_{router_, kMaxBodyBytes};
};

TEST_F(SessionTest, AnswersARequestThatComesByteByByte) {
  std::string output;
  for (const char byte : kGetVersion) {
    EXPECT_EQ(output, "");
    output += Exchange({&byte, 1});
  }
  EXPECT_EQ(output, VersionReply());
}

TEST_F(SessionTest, AnswersOneRequestAfterTheOther) {
  EXPECT_EQ(Exchange(kGetVersion), VersionReply());
  EXPECT_EQ(Exchange(kGetVersion), VersionReply());
  EXPECT_EQ(session_.answered(), 2u);
  EXPECT_FALSE(session_.ended());
}

TEST_F(SessionTest, AnswersPipelinedRequestsInOrder) {
  const std::string output =
      Exchange(Concat(kGetVersion, RequestBytes("GET", "/nothing", ""), kGetVersion));
  EXPECT_THAT(output, StartsWith(VersionReply()));
  EXPECT_THAT(output, HasSubstr("GET /nothing."));
  EXPECT_THAT(output, EndsWith(VersionReply()));
}

TEST_F(SessionTest, KeepsWhatIsPipelinedBehindAnActionUntilItsOutcome) {
  const std::string patch = RequestBytes("PATCH", "/machine-config", R"({"vcpu_count":2})");
  EXPECT_EQ(Exchange(Concat(patch, kGetVersion)), "");
  EXPECT_TRUE(session_.waiting());
  const auto action = session_.TakeAction();
  ASSERT_TRUE(action);
  EXPECT_EQ(std::get<vmm::PatchMachineConfig>(*action).update.vcpu_count, 2u);
  EXPECT_FALSE(session_.TakeAction());
  EXPECT_EQ(Exchange(kGetVersion), "");
  session_.Complete({});
  EXPECT_EQ(TakeOutput(), Concat(kNoContent, VersionReply(), VersionReply()));
}

TEST_F(SessionTest, ActionThatFailsIsAFault) {
  session_.Receive(RequestBytes("PATCH", "/vm", R"({"state":"Paused"})"));
  session_.TakeAction();
  session_.Complete(Error("no \"machine\""));
  EXPECT_THAT(TakeOutput(), EndsWith(R"({"fault_message":"no \"machine\""})"));
}

TEST_F(SessionTest, TakesNoMoreInputThanItsBoundWhileAnActionRuns) {
  session_.Receive(RequestBytes("PATCH", "/vm", R"({"state":"Paused"})"));
  size_t received = 0;
  while (session_.wants_input()) {
    session_.Receive(kGetVersion);
    received += kGetVersion.size();
    ASSERT_LE(received, RequestParser::kMaxHeadBytes + kGetVersion.size());
  }
  session_.Complete({});
  EXPECT_TRUE(session_.wants_input());
  EXPECT_EQ(session_.answered(), 1 + received / kGetVersion.size());
}

TEST_F(SessionTest, ServesNothingWhileItsAnswersAreNotRead) {
  while (session_.wants_input()) session_.Receive(kGetVersion);
  EXPECT_LE(session_.output().size(), Session::kMaxOutputBytes + VersionReply().size());
  const uint64_t answered = session_.answered();
  TakeOutput();
  EXPECT_GT(session_.answered(), answered);
  EXPECT_TRUE(session_.wants_input());
}

TEST_F(SessionTest, TakesABodyOfExactlyTheLimit) {
  EXPECT_THAT(Exchange(RequestBytes("PUT", "/actions", std::string(kMaxBodyBytes, ' '))),
              HasSubstr("fault_message"));
  EXPECT_FALSE(session_.ended());
}

TEST_F(SessionTest, RefusesABodyOneByteOverTheLimitBeforeItComes) {
  const std::string output = Exchange("PUT /actions HTTP/1.1\r\nContent-Length: 1025\r\n\r\n");
  const std::string body =
      R"({ "error": "Request payload with size 1025 is larger than the limit of 1024 allowed by )"
      R"(server.\nAll previous unanswered requests will be dropped." })";
  EXPECT_EQ(output, Concat(kBadRequestHead, body.size(), "\r\n\r\n", body));
  EXPECT_TRUE(session_.ended());
}

TEST_F(SessionTest, AnswersWhatCameBeforeABrokenRequest) {
  const std::string output = Exchange(Concat(kGetVersion, "nonsense\r\n\r\n", kGetVersion));
  EXPECT_THAT(output, StartsWith(Concat(VersionReply(), kBadRequestHead)));
  EXPECT_EQ(session_.answered(), 1u);
  EXPECT_TRUE(session_.ended());
}

TEST_F(SessionTest, RefusesWhatIsNotHttp) {
  for (const std::string_view bytes :
       {"\r\n\r\n", "GET\r\n\r\n", "GET /version\r\n\r\n", "GET /version HTTP/2.0\r\n\r\n",
        "GET /version HTTP/1.1\nHost: x\n\n", "GET  /version HTTP/1.1\r\n\r\n",
        "GET /ver\x01sion HTTP/1.1\r\n\r\n", "GET /version HTTP/1.1\r\nNo colon\r\n\r\n",
        "GET /version HTTP/1.1\r\nField : value\r\n\r\n",
        "GET /version HTTP/1.1\r\nField: \x01\r\n\r\n", "\x16\x03\x01\r\n\r\n"}) {
    Session session(router_, kMaxBodyBytes);
    session.Receive(bytes);
    EXPECT_TRUE(session.ended()) << bytes;
    EXPECT_THAT(std::string(session.output()), StartsWith(kBadRequestHead)) << bytes;
    EXPECT_THAT(std::string(session.output()), HasSubstr(R"({ "error": "Invalid HTTP request: )"));
  }
}

// Two readings of where a request ends are how requests are smuggled.
TEST_F(SessionTest, RefusesALengthThatIsNotPlain) {
  for (const std::string_view fields :
       {"Content-Length: -1", "Content-Length: 1x", "Content-Length: 18446744073709551616",
        "Content-Length: 2\r\nContent-Length: 3", "Content-Length: ", "Content-Length: 0x2",
        "Transfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 2",
        "Transfer-Encoding: identity"}) {
    Session session(router_, kMaxBodyBytes);
    session.Receive(Concat("PUT /actions HTTP/1.1\r\n", fields, "\r\n\r\n{}"));
    EXPECT_TRUE(session.ended()) << fields;
    EXPECT_EQ(session.answered(), 0u) << fields;
  }
}

TEST_F(SessionTest, SaysThatChunksAreNotSupported) {
  EXPECT_THAT(Exchange("PUT /actions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"),
              HasSubstr("Transfer-Encoding is not supported: send a Content-Length."));
}

TEST_F(SessionTest, RefusesAHeadThatDoesNotEnd) {
  session_.Receive("GET /version HTTP/1.1\r\n");
  while (!session_.ended() && session_.wants_input()) {
    session_.Receive("Field: value\r\n");
  }
  EXPECT_TRUE(session_.ended());
  EXPECT_THAT(TakeOutput(), StartsWith(kBadRequestHead));
}

TEST_F(SessionTest, TakesAHeadOfTheLimitButNotAByteMore) {
  constexpr std::string_view kStart = "GET /version HTTP/1.1\r\nField: ";
  constexpr size_t kLimit = RequestParser::kMaxHeadBytes;
  for (const size_t size : {kLimit - 1, kLimit, kLimit + 1}) {
    Session session(router_, kMaxBodyBytes);
    session.Receive(Concat(kStart, std::string(size - kStart.size() - 4, 'x'), "\r\n\r\n"));
    EXPECT_EQ(session.ended(), size > kLimit) << size;
  }
}

TEST_F(SessionTest, TellsAClientThatWaitsToGoOn) {
  EXPECT_EQ(Exchange("PUT /actions HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
            "HTTP/1.1 100 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(Exchange("{"), "");
  EXPECT_THAT(Exchange("}"), HasSubstr("missing field `action_type`"));
}

TEST_F(SessionTest, TellsNobodyToGoOnWhoHasSentItsBody) {
  EXPECT_THAT(
      Exchange("PUT /actions HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}"),
      StartsWith("HTTP/1.1 400 "));
}

TEST_F(SessionTest, TellsNobodyToGoOnWhoseBodyIsTooLarge) {
  EXPECT_THAT(
      Exchange("PUT /actions HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1025\r\n\r\n"),
      StartsWith(kBadRequestHead));
}

TEST_F(SessionTest, EndsWhereTheClientWantsNoMore) {
  EXPECT_EQ(Exchange(Concat("GET /version HTTP/1.1\r\nConnection: close\r\n\r\n", kGetVersion)),
            VersionReply("close"));
  EXPECT_TRUE(session_.ended());
  EXPECT_FALSE(session_.wants_input());
}

TEST_F(SessionTest, EndsAfterARequestOfHttp10) {
  EXPECT_EQ(Exchange("GET /version HTTP/1.0\r\n\r\n"), VersionReply("close"));
  EXPECT_TRUE(session_.ended());
}

TEST_F(SessionTest, TakesAPathWithSchemeAndHostBeforeIt) {
  EXPECT_EQ(Exchange("GET http://localhost/version HTTP/1.1\r\n\r\n"), VersionReply());
  EXPECT_THAT(Exchange("GET http://localhost HTTP/1.1\r\n\r\n"), HasSubstr("test-vm"));
}

// Of a machine that runs.
class ConsoleSessionTest : public SessionTest {
 protected:
  void SetUp() override {
    const std::string kernel = directory_.Write("kernel", "kernel");
    ASSERT_TRUE(controller_.PerformHere(vmm::PutBootSource{{.kernel_image_path = kernel}}));
    ASSERT_TRUE(controller_.PerformHere(vmm::InstanceStart{}));
  }
  static vmm::AttachConsole Attaching(const vmm::Action& action) {
    return std::get<vmm::AttachConsole>(std::get<vmm::DeviceAction>(action));
  }

  static constexpr std::string_view kAttach =
      "GET /console?port=con HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: ember-console/1\r\n\r\n";

 private:
  TemporaryDirectory directory_;
};

TEST_F(ConsoleSessionTest, IsHandedOverWithWhatCameBehind) {
  session_.Receive(Concat(kAttach, "typed"));
  EXPECT_FALSE(session_.wants_input());
  ASSERT_TRUE(session_.wants_hand_over());
  const vmm::AttachConsole attach = Attaching(session_.HandOver(Fd()));
  EXPECT_FALSE(session_.wants_hand_over());
  EXPECT_TRUE(session_.acting());
  EXPECT_EQ(attach.port, "con");
  const auto parts = attach.socket->Take();
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->input, "typed");
  EXPECT_THAT(parts->greeting, StartsWith("HTTP/1.1 101 "));
  session_.Complete(vmm::Reply{});
  EXPECT_TRUE(session_.handed_over());
  EXPECT_EQ(TakeOutput(), "");
}

TEST_F(ConsoleSessionTest, IsNotHandedOverAndActsNotWhileAnswersAreUnsent) {
  session_.Receive(Concat(kGetVersion, kAttach));
  EXPECT_TRUE(session_.waiting());
  EXPECT_FALSE(session_.wants_hand_over());
  EXPECT_FALSE(session_.acting());
  EXPECT_EQ(TakeOutput(), VersionReply());
  EXPECT_TRUE(session_.wants_hand_over());
}

TEST_F(ConsoleSessionTest, RefusedItEndsAndTakesNothingBehindForRequests) {
  session_.Receive(Concat(kAttach, kGetVersion));
  session_.HandOver(Fd());
  session_.Complete(Error("no such port"));
  EXPECT_TRUE(session_.ended());
  EXPECT_EQ(session_.answered(), 1U);
  EXPECT_THAT(TakeOutput(), EndsWith(R"({"fault_message":"no such port"})"));
}

TEST_F(ConsoleSessionTest, RefusedBeforeItIsOnItsWayItEnds) {
  session_.Receive(Concat(kAttach, kGetVersion));
  const vmm::AttachConsole attach = Attaching(session_.HandOver(Fd()));
  session_.Refuse(Fault("too many", HttpStatus::kServiceUnavailable));
  EXPECT_TRUE(session_.ended());
  EXPECT_FALSE(session_.handed_over());
  EXPECT_EQ(session_.answered(), 1U);
  EXPECT_THAT(TakeOutput(),
              AllOf(StartsWith("HTTP/1.1 503 "), EndsWith(R"({"fault_message":"too many"})")));
}

TEST_F(ConsoleSessionTest, WhatIsOnTheWayIsTakenBackOnce) {
  session_.Receive(kAttach);
  const vmm::AttachConsole attach = Attaching(session_.HandOver(Fd()));
  EXPECT_TRUE(session_.TakeBack());
  EXPECT_FALSE(attach.socket->Take());
  EXPECT_FALSE(session_.TakeBack());
}

TEST_F(SessionTest, RepeatsAPathThatIsNotUtf8WithReplacements) {
  EXPECT_THAT(Exchange("GET /\xff HTTP/1.1\r\n\r\n"), EndsWith("GET /\xef\xbf\xbd.\"}"));
}

}  // namespace
}  // namespace ember::api
