#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/concat.h"
#include "base/log.h"
#include "base/log_tail.h"
#include "tests/api/api_fixture.h"

// GET /log over the socket, in each of its ways. The log is the process's, so that lines of other
// tests are in it.
namespace ember::api {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

constexpr std::string_view kUpgrade = "Connection: Upgrade\r\nUpgrade: ember-log/1\r\n";

class LogEndpointTest : public ServedApiTest {
 protected:
  ~LogEndpointTest() override { log_tail().SetListener({}); }

  static void Log(std::string_view text) { log_tail().Append(Concat(text, "\n")); }
  ApiClient Follow(std::string_view path, std::string_view fields = {}) {
    ApiClient client = Connect();
    client.Send(Concat("GET ", path, " HTTP/1.1\r\n", fields, "\r\n"));
    head_ = client.Receive().value_or(Reply{}).head;
    return client;
  }

  std::string head_;  // of the last that follows
};

TEST_F(LogEndpointTest, AnswersWithTheLastLinesOfText) {
  Log("one");
  Log("two");
  Log("three");
  ApiClient client = Connect();
  const Reply reply = client.Call("GET", "/log?lines=2").value_or(Reply{});
  EXPECT_EQ(reply.body, "two\nthree\n");
  EXPECT_EQ(reply.head,
            "HTTP/1.1 200 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n"
            "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 10\r\n\r\n");
  EXPECT_THAT(client.Call("GET", "/log").value_or(Reply{}).body, EndsWith("one\ntwo\nthree\n"));
  EXPECT_EQ(client.Call("GET", "/log?lines=0").value_or(Reply{}).body, "");
}

TEST_F(LogEndpointTest, WhatTheProcessLogsIsInIt) {
  const TemporaryDirectory directory;
  ConfigureLog({});  // other tests leave it as clients wanted it
  ASSERT_TRUE(OpenLogFile(directory.Path("log")));
  EMBER_LOG(kWarning, "a line\nof a guest's");
  EXPECT_THAT(Call("GET", "/log?lines=1").body,
              MatchesRegex("[0-9T:.-]+ \\[.*\\] a line.x0aof a guest's\n"));
}

TEST_F(LogEndpointTest, FollowsAsAStream) {
  Log("before");
  ApiClient client = Follow("/log?lines=1&follow=true");
  EXPECT_EQ(head_,
            "HTTP/1.1 200 \r\nServer: Firecracker API\r\nConnection: close\r\n"
            "Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n\r\n");
  EXPECT_EQ(client.ReceiveLine(), "before");
  Log("after");
  EXPECT_EQ(client.ReceiveLine(), "after");
}

TEST_F(LogEndpointTest, FollowsByUpgrade) {
  Log("before");
  ApiClient client = Follow("/log?lines=1", kUpgrade);
  EXPECT_EQ(head_,
            "HTTP/1.1 101 \r\nServer: Firecracker API\r\nConnection: Upgrade\r\n"
            "Upgrade: ember-log/1\r\n\r\n");
  EXPECT_EQ(client.ReceiveLine(), "before");
  Log("after");
  EXPECT_EQ(client.ReceiveLine(), "after");
  client.EndOutput();
  Log("half-closed");
  EXPECT_EQ(client.ReceiveLine(), "half-closed");
}

TEST_F(LogEndpointTest, WhatAFollowerSendsIsPassedOver) {
  ApiClient client = Follow("/log?lines=0", kUpgrade);
  ASSERT_TRUE(client.Send(RequestBytes("GET", "/version", "")));
  Log("only this");
  EXPECT_EQ(client.ReceiveLine(), "only this");
}

TEST_F(LogEndpointTest, AnotherProtocolIsNoUpgrade) {
  Log("here");
  ApiClient client = Connect();
  ASSERT_TRUE(
      client.Send("GET /log?lines=1 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: "
                  "ember-console/1\r\n\r\n"));
  EXPECT_EQ(client.Receive().value_or(Reply{}).body, "here\n");
  EXPECT_EQ(client.Call("GET", "/version").value_or(Reply{}).status, 200);
}

TEST_F(LogEndpointTest, RefusesWrongQueries) {
  EXPECT_EQ(Call("GET", "/log?lines=65537").body,
            R"({"fault_message":"lines 65537 exceeds the limit 65536"})");
  EXPECT_EQ(Call("GET", "/log?follow=1").body,
            R"({"fault_message":"follow: \"1\" is neither true nor false"})");
  EXPECT_EQ(Call("GET", "/log?since=1").body,
            R"({"fault_message":"unknown query parameter `since`, expected `lines` or `follow`"})");
}

TEST_F(LogEndpointTest, ASlowReaderLosesLinesAndHoldsUpNobody) {
  ApiClient slow = Follow("/log?lines=0&follow=true");
  constexpr int kLines = 4000;
  for (int i = 0; i < kLines; ++i) Log(Concat("line ", i, std::string(100, ' ')));
  EXPECT_EQ(Call("GET", "/version").status, 200);
  Log("last");
  bool lost = false;
  std::string line;
  while (line != "last") {
    line = slow.ReceiveLine().value_or("last");
    lost = lost || (line.starts_with("[") && line.ends_with(" lines lost]"));
  }
  EXPECT_TRUE(lost);
}

TEST_F(LogEndpointTest, TheEndOfTheProcessEndsIt) {
  ApiClient client = Follow("/log?lines=0", kUpgrade);
  Log("goodbye");
  StopAll();
  EXPECT_EQ(client.ReceiveLine(), "goodbye");
  EXPECT_TRUE(client.AwaitEnd());
}

}  // namespace
}  // namespace ember::api
