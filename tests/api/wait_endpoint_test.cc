#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/concat.h"
#include "tests/api/api_fixture.h"

// GET /wait over the socket.
namespace ember::api {
namespace {

using testing::HasSubstr;

class WaitEndpointTest : public ServedApiTest {
 protected:
  ApiClient Wait(std::string_view query) {
    ApiClient client = Connect();
    // The answer to the first says that the second is there.
    client.Send(Concat(RequestBytes("GET", "/version", ""),
                       RequestBytes("GET", Concat("/wait?", query), "")));
    EXPECT_THAT(Body(client), HasSubstr("firecracker_version"));
    return client;
  }
  static std::string Body(ApiClient& client) { return client.Receive().value_or(Reply{}).body; }
};

TEST_F(WaitEndpointTest, AStateThatIsThereIsAnsweredAtOnce) {
  EXPECT_EQ(Call("GET", "/wait?state=NotStarted").body,
            R"({"state":"NotStarted","reached":true,"seq":0})");
}

TEST_F(WaitEndpointTest, AStateThatComesIsAnsweredWhenItDoes) {
  ApiClient client = Wait("state=Paused,Ended&timeout=600");
  StartMachine();
  Call("PATCH", "/vm", R"({"state":"Paused"})");
  EXPECT_THAT(Body(client), HasSubstr(R"({"state":"Paused","reached":true,)"));
}

TEST_F(WaitEndpointTest, TheTimeoutAnswersWithTheStateThereIs) {
  EXPECT_EQ(Call("GET", "/wait?state=Running&timeout=0").body,
            R"({"state":"NotStarted","reached":false,"seq":0})");
  EXPECT_EQ(Call("GET", "/wait?state=Running&timeout=1").body,
            R"({"state":"NotStarted","reached":false,"seq":0})");
}

TEST_F(WaitEndpointTest, AnswersComeInTheOrderOfTheRequests) {
  ApiClient client = Connect();
  ASSERT_TRUE(client.Send(Concat(RequestBytes("GET", "/wait?state=Running", ""),
                                 RequestBytes("GET", "/wait?state=Running", ""),
                                 RequestBytes("GET", "/version", ""))));
  StartMachine();
  EXPECT_THAT(Body(client), HasSubstr("Running"));
  EXPECT_THAT(Body(client), HasSubstr("Running"));
  EXPECT_THAT(Body(client), HasSubstr("firecracker_version"));
}

TEST_F(WaitEndpointTest, TheEndAnswersEverybody) {
  StartMachine();
  ApiClient ended = Wait("state=Ended");
  ApiClient paused = Wait("state=Paused");
  loop_->Stop();
  loop_thread_.Join();
  controller_.NoteEnd({.reason = "the guest powered off", .exit_code = 0});
  server_->Stop();
  EXPECT_THAT(Body(ended), HasSubstr(R"({"state":"Ended","reached":true,)"));
  EXPECT_THAT(Body(paused), HasSubstr(R"({"state":"Ended","reached":false,)"));
}

TEST_F(WaitEndpointTest, RefusesWrongQueries) {
  EXPECT_EQ(Call("GET", "/wait").body, R"({"fault_message":"missing query parameter `state`"})");
  EXPECT_EQ(Call("GET", "/wait?state=Runing").body,
            R"({"fault_message":"state: unknown variant `Runing`, expected one of `NotStarted`, )"
            R"(`Running`, `Paused`, `Ended`"})");
  EXPECT_EQ(Call("GET", "/wait?state=").status, 400);
  EXPECT_EQ(Call("GET", "/wait?state=Running,").status, 400);
  EXPECT_EQ(Call("GET", "/wait?state=Running&timeout=3601").status, 400);
}

TEST_F(WaitEndpointTest, ClientsThatGoAreForgotten) {
  for (int i = 0; i < 50; ++i) Wait("state=Running&timeout=3600");
  StartMachine();
  EXPECT_EQ(Call("GET", "/wait?state=Running").status, 200);
}

}  // namespace
}  // namespace ember::api
