#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/concat.h"
#include "tests/api/api_fixture.h"

// GET /events over the socket: what is in it, and clients of every kind.
namespace ember::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class EventsEndpointTest : public ServedApiTest {
 protected:
  ApiClient Follow(std::string_view path = "/events") {
    ApiClient client = Connect();
    client.Send(RequestBytes("GET", path, ""));
    EXPECT_EQ(client.Receive().value_or(Reply{}).status, 200);
    return client;
  }
  static std::string Event(ApiClient& client) {
    const std::string line = client.ReceiveLine().value_or("");
    constexpr std::string_view kField = R"("event":")";
    const size_t begin = line.find(kField);
    if (begin == std::string::npos) return "";
    const size_t start = begin + kField.size();
    return line.substr(start, line.find('"', start) - start);
  }
  void Pause() { Call("PATCH", "/vm", R"({"state":"Paused"})"); }
  void Resume() { Call("PATCH", "/vm", R"({"state":"Resumed"})"); }
};

TEST_F(EventsEndpointTest, AnswersWithAHeadAndNoLength) {
  ApiClient client = Connect();
  ASSERT_TRUE(client.Send(RequestBytes("GET", "/events", "")));
  EXPECT_EQ(client.Receive().value_or(Reply{}).head,
            "HTTP/1.1 200 \r\nServer: Firecracker API\r\nConnection: close\r\n"
            "Content-Type: application/x-ndjson\r\nCache-Control: no-store\r\n\r\n");
}

TEST_F(EventsEndpointTest, TellsALifeInItsOrder) {
  ApiClient client = Follow();
  StartMachine();
  Pause();
  Pause();  // changes nothing
  Resume();
  Call("PUT", "/actions", R"({"action_type":"SendCtrlAltDel"})");
  controller_.journal().Append("ended");
  std::vector<std::string> events;
  while (events.empty() || events.back() != "ended") events.push_back(Event(client));
  EXPECT_THAT(events,
              ElementsAre("configured", "started", "paused", "resumed", "ctrl_alt_del", "ended"));
}

TEST_F(EventsEndpointTest, WhatFailedIsNoEvent) {
  ApiClient client = Follow();
  Call("PUT", "/machine-config", R"({"vcpu_count":99,"mem_size_mib":1})");
  Pause();
  Configure();
  EXPECT_THAT(client.ReceiveLine().value_or(""), HasSubstr(R"("resource":"boot-source")"));
}

TEST_F(EventsEndpointTest, DeviceUpdatesAreEvents) {
  StartMachine();
  ApiClient client = Follow(Concat("/events?since=", controller_.journal().last()));
  Call("PATCH", "/balloon", R"({"amount_mib":17})");
  Call("PATCH", "/drives/a", R"({"drive_id":"a","path_on_host":"/other"})");
  Call("PATCH", "/hotplug/memory", R"({"requested_size_mib":64})");
  EXPECT_THAT(client.ReceiveLine().value_or(""), HasSubstr(R"("balloon_target","amount_mib":17)"));
  EXPECT_THAT(client.ReceiveLine().value_or(""),
              HasSubstr(R"("drive_swapped","drive_id":"a","path_on_host":"/other")"));
  EXPECT_THAT(client.ReceiveLine().value_or(""),
              HasSubstr(R"("memory_target","requested_size_mib":64)"));
}

TEST_F(EventsEndpointTest, SinceReplaysWhatCameAfter) {
  StartMachine();
  Pause();
  ApiClient client = Follow("/events?since=1");
  EXPECT_EQ(Event(client), "started");
  EXPECT_EQ(Event(client), "paused");
}

TEST_F(EventsEndpointTest, RefusesWrongQueries) {
  EXPECT_EQ(Call("GET", "/events?since=1").body,
            R"({"fault_message":"since 1 exceeds the last event's number 0"})");
  EXPECT_EQ(Call("GET", "/events?heartbeat=3601").body,
            R"({"fault_message":"heartbeat 3601 exceeds the limit 3600"})");
  EXPECT_EQ(
      Call("GET", "/events?from=1").body,
      R"({"fault_message":"unknown query parameter `from`, expected `since` or `heartbeat`"})");
  EXPECT_EQ(Call("PUT", "/events?since=0", "{}").status, 400);
}

TEST_F(EventsEndpointTest, AClientThatHasEndedItsSideGoesOnReading) {
  ApiClient client = Follow();
  client.EndOutput();
  Configure();
  EXPECT_EQ(Event(client), "configured");
}

TEST_F(EventsEndpointTest, TheEndReachesThoseWhoFollow) {
  StartMachine();
  ApiClient client = Follow("/events?since=2");
  loop_->Stop();
  loop_thread_.Join();
  controller_.NoteEnd({.reason = "the guest powered off", .exit_code = 0});
  server_->Stop();
  EXPECT_THAT(client.ReceiveLine().value_or(""),
              HasSubstr(R"("event":"ended","reason":"the guest powered off","exit_code":0)"));
  EXPECT_TRUE(client.AwaitEnd());
}

TEST_F(EventsEndpointTest, RequestsBehindAStreamsArePassedOver) {
  ApiClient client = Connect();
  ASSERT_TRUE(
      client.Send(Concat(RequestBytes("GET", "/version", ""), RequestBytes("GET", "/events", ""),
                         RequestBytes("GET", "/version", ""))));
  EXPECT_EQ(client.Receive().value_or(Reply{}).status, 200);
  EXPECT_EQ(client.Receive().value_or(Reply{}).status, 200);
  Configure();
  EXPECT_EQ(Event(client), "configured");
}

TEST_F(EventsEndpointTest, ASlowReaderLosesRecordsAndHoldsUpNobody) {
  ApiClient slow = Follow();
  constexpr uint64_t kRecords = 4 * Journal::kMaxRecords;
  for (uint64_t i = 0; i < kRecords; ++i) {
    controller_.journal().Append("tick", {{"text", std::string(Journal::kMaxTextBytes, 'x')}});
  }
  EXPECT_EQ(Call("GET", "/version").status, 200);
  bool lost = false;
  uint64_t seen = 0;
  while (seen < kRecords) {
    const std::optional<std::string> line = slow.ReceiveLine();
    ASSERT_TRUE(line);
    const uint64_t sequence =
        std::strtoull(line->c_str() + std::string(R"({"seq":)").size(), nullptr, 10);
    if (line->find(R"("event":"lost")") != std::string::npos) {
      lost = true;
    } else {
      ASSERT_EQ(sequence, seen + 1);
    }
    seen = sequence;
  }
  EXPECT_TRUE(lost);
}

TEST(ManyEventReadersTest, AThousandWhoDoNotReadAreBoundedAndMakePlace) {
  class Many : public EventsEndpointTest {
   public:
    using EventsEndpointTest::Call;
    using EventsEndpointTest::Connect;
    using EventsEndpointTest::controller_;
    void TestBody() override {}
    void Begin() { Serve(1000); }
  } api;
  api.Begin();
  std::vector<ApiClient> readers;
  for (int i = 0; i < 1000; ++i) {
    readers.push_back(api.Connect());
    ASSERT_TRUE(readers.back().Send(RequestBytes("GET", "/events", "")));
    ASSERT_EQ(readers.back().Receive().value_or(Reply{}).status, 200);
  }
  for (int i = 0; i < 300; ++i) {
    api.controller_.journal().Append("tick", {{"text", std::string(Journal::kMaxTextBytes, 'x')}});
  }
  EXPECT_EQ(api.Call("GET", "/version").status, 200);  // pushed one out
  EXPECT_THAT(readers.back().ReceiveLine().value_or(""), HasSubstr("tick"));
}

}  // namespace
}  // namespace ember::api
