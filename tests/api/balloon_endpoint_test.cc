#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

#include "base/concat.h"
#include "tests/api/api_fixture.h"

// The balloon's endpoints before and after the start, over the socket.
namespace ember::api {
namespace {

using testing::HasSubstr;

constexpr std::string_view kBalloon = R"({"amount_mib":64,"deflate_on_oom":true})";
constexpr std::string_view kOnlyAfter =
    R"({"fault_message":"The requested operation is not supported before starting the microVM."})";

class BalloonEndpointTest : public ServedApiTest {};

TEST_F(BalloonEndpointTest, BalloonIsShownAsItWasPut) {
  EXPECT_EQ(Call("GET", "/balloon").body, R"({"fault_message":"No balloon device found."})");
  EXPECT_EQ(Call("PUT", "/balloon", kBalloon).status, 204);
  constexpr std::string_view kShown =
      R"({"amount_mib":64,"deflate_on_oom":true,"stats_polling_interval_s":0,)"
      R"("free_page_hinting":false,"free_page_reporting":false})";
  EXPECT_EQ(Call("GET", "/balloon").body, kShown);
  EXPECT_THAT(Call("GET", "/vm/config").body, HasSubstr(Concat(R"({"balloon":)", kShown, ",")));
}

TEST_F(BalloonEndpointTest, BalloonCannotBePutAfterTheStart) {
  StartMachine();
  EXPECT_THAT(Call("PUT", "/balloon", kBalloon).body,
              HasSubstr("not supported after starting the microVM"));
}

TEST_F(BalloonEndpointTest, OfWhatRunsNothingCanBeAskedBeforeTheStart) {
  Call("PUT", "/balloon", kBalloon);
  const std::pair<std::string_view, std::string_view> patches[] = {
      {"/balloon", R"({"amount_mib":1})"},
      {"/balloon/statistics", R"({"stats_polling_interval_s":1})"},
      {"/balloon/hinting/start", R"({"acknowledge_on_stop":false})"},
      {"/balloon/hinting/start", ""},
      {"/balloon/hinting/stop", ""}};
  for (const auto& [path, body] : patches) {
    EXPECT_EQ(Call("PATCH", path, body).body, kOnlyAfter) << path;
  }
  EXPECT_EQ(Call("GET", "/balloon/statistics").body, kOnlyAfter);
  EXPECT_EQ(Call("GET", "/balloon/hinting/status").body, kOnlyAfter);
}

TEST_F(BalloonEndpointTest, EachIsAskedOfTheMachineAfterTheStart) {
  StartMachine();
  EXPECT_EQ(Call("PATCH", "/balloon", R"({"amount_mib":1})").status, 204);
  EXPECT_EQ(Call("PATCH", "/balloon/statistics", R"({"stats_polling_interval_s":1})").status, 204);
  EXPECT_EQ(Call("PATCH", "/balloon/hinting/start").status, 204);
  EXPECT_EQ(Call("PATCH", "/balloon/hinting/start", R"({"acknowledge_on_stop":true})").status, 204);
  EXPECT_EQ(Call("PATCH", "/balloon/hinting/stop").status, 204);
  room_.AnswerWith({.json = R"({"host_cmd":0})"});
  EXPECT_EQ(Call("GET", "/balloon/hinting/status").body, R"({"host_cmd":0})");
  EXPECT_EQ(Call("GET", "/balloon/statistics").status, 200);
}

TEST_F(BalloonEndpointTest, BodiesAreStrict) {
  StartMachine();
  EXPECT_EQ(Call("PATCH", "/balloon").body, R"({"fault_message":"Empty PATCH request."})");
  EXPECT_THAT(Call("PATCH", "/balloon", R"({"amount_mib":4294967296})").body,
              HasSubstr("expected u32"));
  EXPECT_THAT(Call("PATCH", "/balloon/statistics", R"({"amount_mib":1})").body,
              HasSubstr("unknown field `amount_mib`"));
  EXPECT_THAT(Call("PATCH", "/balloon/hinting/start", R"({"acknowledge_on_stop":"yes"})").body,
              HasSubstr("expected a boolean"));
  EXPECT_THAT(Call("GET", "/balloon/nothing").body, HasSubstr("Invalid request method"));
}

}  // namespace
}  // namespace ember::api
