#include "vmm/console/console.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/concat.h"
#include "tests/vmm/config_parts.h"
#include "vmm/console/console_json.h"

namespace ember::vmm {
namespace {

std::string ErrorOf(const ConsoleConfig& console) {
  const Status status = Validate(console);
  return status ? "" : status.error().message();
}

ConsoleConfig With(ConsolePortConfig port) { return {.ports = {std::move(port)}}; }

TEST(ConsoleConfigTest, HasOneToEightPorts) {
  EXPECT_EQ(ErrorOf({}), "ports is empty");
  ConsoleConfig console;
  for (int i = 0; i < 9; ++i) {
    console.ports.push_back({.id = Concat("p", i), .socket_path = Concat("/p", i)});
  }
  EXPECT_EQ(ErrorOf(console), "ports has 9 entries, which exceeds the limit 8");
  console.ports.pop_back();
  EXPECT_EQ(ErrorOf(console), "");
}

TEST(ConsoleConfigTest, AnIdIsAShortWord) {
  for (const std::string_view id : {"a", "org.qemu.guest_agent.0", "A-9"}) {
    EXPECT_EQ(ErrorOf(With({.id = std::string(id), .socket_path = "/s"})), "");
  }
  for (const std::string_view id : {"", "a b", "a/b", "\n", "\xc3\xa9"}) {
    EXPECT_THAT(ErrorOf(With({.id = std::string(id), .socket_path = "/s"})),
                testing::HasSubstr("is not of letters"));
  }
  EXPECT_EQ(ErrorOf(With({.id = std::string(64, 'i'), .socket_path = "/s"})), "");
  EXPECT_EQ(ErrorOf(With({.id = std::string(65, 'i'), .socket_path = "/s"})),
            "ports[0]: id has 65 bytes, which exceeds the limit 64");
}

TEST(ConsoleConfigTest, PathsAreOfALengthThatSocketsTake) {
  EXPECT_EQ(ErrorOf(With({.id = "a", .socket_path = ""})), "ports[0]: socket_path is empty");
  EXPECT_EQ(ErrorOf(With({.id = "a", .socket_path = std::string(103, 's')})), "");
  EXPECT_EQ(ErrorOf(With({.id = "a", .socket_path = std::string(104, 's')})),
            "ports[0]: socket_path has 104 bytes, which exceeds the limit 103");
  EXPECT_EQ(ErrorOf(With({.id = "a", .socket_path = "/s", .output_path = ""})),
            "ports[0]: output_path is empty");
}

TEST(ConsoleConfigTest, TheLogIsBounded) {
  EXPECT_EQ(ErrorOf(With({.id = "a", .socket_path = "/s", .log_bytes = 0})), "");
  EXPECT_EQ(ErrorOf(With({.id = "a", .socket_path = "/s", .log_bytes = 16777216})), "");
  EXPECT_EQ(ErrorOf(With({.id = "a", .socket_path = "/s", .log_bytes = 16777217})),
            "ports[0]: log_bytes 16777217 exceeds the limit 16777216");
}

TEST(ConsoleConfigTest, NoTwoPortsShareAnIdOrAPath) {
  const ConsolePortConfig first{.id = "a", .socket_path = "/s"};
  EXPECT_EQ(ErrorOf({.ports = {first, {.id = "a", .socket_path = "/t"}}}),
            "ports[1]: id a is another port's");
  EXPECT_EQ(ErrorOf({.ports = {first, {.id = "b", .socket_path = "/s"}}}),
            "ports[1]: socket_path /s is another port's");
  EXPECT_EQ(ErrorOf({.ports = {first, {.id = "b", .socket_path = "/s.ctl"}}}),
            "ports[1]: socket_path /s.ctl is another port's");
}

TEST(ConsoleJsonTest, EachFieldHasItsType) {
  EXPECT_EQ(ReadError(R"({})", ReadConsole), "missing field `ports`");
  EXPECT_EQ(ReadError(R"({"ports":{}})", ReadConsole),
            "ports: invalid type: map, expected a sequence");
  EXPECT_EQ(ReadError(R"({"ports":[1]})", ReadConsole),
            "ports[0]: invalid type: integer `1`, expected a map");
  EXPECT_EQ(ReadError(R"({"ports":[{"socket_path":"/s"}]})", ReadConsole),
            "ports[0]: missing field `id`");
  EXPECT_EQ(ReadError(R"({"ports":[{"id":"a","socket_path":"/s","log_bytes":-1}]})", ReadConsole),
            "ports[0]: log_bytes: invalid value: integer `-1`, expected u64");
  EXPECT_EQ(ReadError(R"({"ports":[{"id":"a","socket_path":"/s","is_console":1}]})", ReadConsole),
            "ports[0]: is_console: invalid type: integer `1`, expected a boolean");
  EXPECT_THAT(ReadError(R"({"ports":[{"id":"a","path":"/s"}]})", ReadConsole),
              testing::StartsWith("ports[0]: unknown field `path`"));
  EXPECT_THAT(ReadError(R"({"ports":[],"size":1})", ReadConsole),
              testing::StartsWith("unknown field `size`"));
  EXPECT_THAT(ReadError(R"({"ports":[],"resize_order":"Rows"})", ReadConsole),
              testing::StartsWith("resize_order: unknown variant `Rows`"));
}

TEST(ConsoleJsonTest, AbsentFieldsHaveTheirDefaults) {
  const Result<JsonValue> json = ParseJson(R"({"ports":[{"id":"a","socket_path":"/s"}]})");
  const Result<ConsoleConfig> console = ReadConsole(*json);
  ASSERT_TRUE(console);
  EXPECT_EQ(*console, With({.id = "a", .socket_path = "/s"}));
  EXPECT_EQ(console->ports[0].log_bytes, 65536U);
}

TEST(ConsoleResizeTest, HasNoSideOfZero) {
  EXPECT_TRUE(Validate(ConsoleResize{.port = {}, .columns = 1, .rows = 65535}));
  EXPECT_EQ(Validate(ConsoleResize{.port = {}, .columns = 0, .rows = 1}).error().message(),
            "columns is 0, which is below 1");
  EXPECT_EQ(Validate(ConsoleResize{.port = {}, .columns = 1, .rows = 0}).error().message(),
            "rows is 0, which is below 1");
}

}  // namespace
}  // namespace ember::vmm
