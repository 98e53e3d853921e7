#include "vmm/config_json_value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <variant>

#include "base/concat.h"

namespace ember::vmm {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// The error of parsing `text`, or "" where there is none.
std::string ErrorOf(std::string_view text) {
  const Result<JsonValue> json = ParseJson(text);
  return json ? "" : json.error().message();
}

std::string Nested(size_t depth, std::string_view open, std::string_view close) {
  std::string text;
  for (size_t i = 0; i < depth; ++i) text += open;
  text += "1";
  for (size_t i = 0; i < depth; ++i) text += close;
  return text;
}

TEST(JsonValueTest, TextThatIsNotJsonIsAParseError) {
  for (const std::string_view text :
       {"",           " ",       "{",   "}",     "[1",      "{\"a\"}",     "{\"a\":}",
        "{\"a\":1,}", "{a:1}",   "'a'", "nul",   "tru",     "01",          "1.",
        "+1",         "0x1",     "1e",  "\"",    "\"\\x\"", "\"\\ud800\"", "\"\n\"",
        "{} {}",      "// a\n1", "NaN", "[1,,2]"}) {
    EXPECT_THAT(ErrorOf(text), StartsWith("parse error at line ")) << text;
  }
}

TEST(JsonValueTest, AParseErrorSaysWhere) {
  EXPECT_THAT(ErrorOf("{\"a\":\n  tru}"), HasSubstr("line 2, column 6"));
  EXPECT_THAT(ErrorOf(""), HasSubstr("line 1, column 1"));
}

TEST(JsonValueTest, EveryCutOfAnObjectIsAParseError) {
  constexpr std::string_view kText =
      R"({"drive_id":"r\u00e9","is_root_device":true,"path_on_host":null,"n":[-1.5e3,{}]})";
  ASSERT_EQ(ErrorOf(kText), "");
  for (size_t size = 0; size < kText.size(); ++size) {
    EXPECT_NE(ErrorOf(kText.substr(0, size)), "") << size;
  }
}

TEST(JsonValueTest, BytesThatAreNotUtf8AreAParseError) {
  for (const std::string_view text : {"\"\x80\"", "\"\xff\"", "\"\xc3\"", "\"\xc0\xaf\"",
                                      "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe2\x82\""}) {
    EXPECT_THAT(ErrorOf(text), StartsWith("parse error"));
  }
}

// nlohmann's parser takes it for the end of the text.
TEST(JsonValueTest, AZeroByteIsAParseErrorAndHidesNothing) {
  for (const std::string_view text :
       {std::string_view("{}\0", 3), std::string_view("{}\0{", 4), std::string_view("\0{}", 3),
        std::string_view("[1,\0]", 6), std::string_view("\"a\0b\"", 5)}) {
    EXPECT_THAT(ErrorOf(text), StartsWith("parse error"));
  }
}

TEST(JsonValueTest, AnErrorDoesNotRepeatALongText) {
  const std::string error = ErrorOf(Concat("\"", std::string(50000, 'x')));
  EXPECT_NE(error, "");
  EXPECT_LT(error.size(), 300U);
}

TEST(JsonValueTest, TheDeepestTextIsReadAndADeeperOneIsNot) {
  constexpr std::string_view kError = "nested deeper than 64 levels";
  EXPECT_EQ(ErrorOf(Nested(kMaxJsonDepth, "[", "]")), "");
  EXPECT_EQ(ErrorOf(Nested(kMaxJsonDepth, R"({"a":)", "}")), "");
  EXPECT_EQ(ErrorOf(Nested(kMaxJsonDepth + 1, "[", "]")), kError);
  EXPECT_EQ(ErrorOf(Nested(kMaxJsonDepth + 1, R"({"a":)", "}")), kError);
  EXPECT_EQ(ErrorOf(std::string(1000000, '[')), kError);
}

TEST(JsonValueTest, ANameTwiceIsAnErrorInAnyObjectOfTheText) {
  EXPECT_EQ(ErrorOf(R"({"a":[{"b":{"c":1,"d":2,"c":3}}]})"), "duplicate field `c`");
  // The same name, written in another way.
  EXPECT_EQ(ErrorOf(R"({"a":1,"\u0061":2})"), "duplicate field `a`");
  EXPECT_EQ(ErrorOf(R"([{"a":1},{"a":1}])"), "");
}

TEST(JsonValueTest, IntegersKeepTheirValueToTheLastBit) {
  const JsonValue json = *ParseJson("[18446744073709551615,-9223372036854775808,-0,0]");
  const auto& numbers = std::get<JsonValue::Array>(json.value);
  ASSERT_EQ(numbers.size(), 4U);
  EXPECT_EQ(std::get<uint64_t>(numbers[0].value), UINT64_MAX);
  EXPECT_EQ(std::get<int64_t>(numbers[1].value), INT64_MIN);
  EXPECT_EQ(std::get<uint64_t>(numbers[2].value), 0U);
  EXPECT_EQ(std::get<uint64_t>(numbers[3].value), 0U);
}

TEST(JsonValueTest, IntegersOfNoTypeAreFractionsAndHugeOnesErrors) {
  EXPECT_TRUE(std::holds_alternative<double>(ParseJson("18446744073709551616")->value));
  EXPECT_TRUE(std::holds_alternative<double>(ParseJson("-9223372036854775809")->value));
  EXPECT_NE(ErrorOf("1e999"), "");
  EXPECT_NE(ErrorOf("-1e999"), "");
}

TEST(JsonValueTest, EscapesAreCharacters) {
  EXPECT_EQ(std::get<std::string>(ParseJson(R"("\"\\\/\u00e9\n\ud83d\ude00\u0000")")->value),
            std::string("\"\\/\xc3\xa9\n\xf0\x9f\x98\x80\0", 11));
}

TEST(JsonValueTest, FindLooksOnlyIntoObjects) {
  const JsonValue json = *ParseJson(R"({"a":{"b":1}})");
  ASSERT_NE(json.Find("a"), nullptr);
  EXPECT_NE(json.Find("a")->Find("b"), nullptr);
  EXPECT_EQ(json.Find("b"), nullptr);
  EXPECT_EQ(ParseJson("[1]")->Find("a"), nullptr);
}

}  // namespace
}  // namespace ember::vmm
