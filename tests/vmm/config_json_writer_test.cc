#include "vmm/config_json_writer.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "vmm/config_json_value.h"

namespace ember::vmm {
namespace {

std::string Written(std::string_view text) {
  std::string out;
  AppendJsonString(out, text);
  return out;
}

TEST(JsonWriterTest, PutsCommasBetweenAndNowhereElse) {
  JsonWriter out;
  out.BeginObject().BeginArray("a").BeginObject().EndObject().BeginObject().EndObject().EndArray();
  out.BeginObject("{,[").Field("b", "}").Null("c").EndObject().Field("d", true).Field("e", -1);
  out.OptionalField("f", std::nullopt).EndObject();
  EXPECT_EQ(std::move(out).Take(),
            R"({"a":[{},{}],"{,[":{"b":"}","c":null},"d":true,"e":-1,"f":null})");
}

TEST(JsonWriterTest, AWholeValueIsWrittenAsItWasRead) {
  for (const std::string_view text :
       {R"({"a":[1,-2,{"b":null},[]],"c":{"d":true,"e":"\u0007\"x"},"f":1.5,"g":{}})",
        R"(18446744073709551615)", R"("text")", R"([[[]],false])"}) {
    EXPECT_EQ(ToText(*ParseJson(text)), text);
  }
}

TEST(JsonWriterTest, AStringIsReadBackTheSame) {
  for (int byte = 0; byte < 0x80; ++byte) {
    const std::string text = std::string("a") + static_cast<char>(byte);
    const Result<JsonValue> json = ParseJson(Written(text));
    ASSERT_TRUE(json) << byte;
    EXPECT_EQ(std::get<std::string>(json->value), text) << byte;
  }
  const std::string text = "\xc3\xa9\xf0\x9f\x98\x80\"\\\n";
  EXPECT_EQ(std::get<std::string>(ParseJson(Written(text))->value), text);
}

TEST(JsonWriterTest, BytesThatAreNotUtf8AreReplaced) {
  EXPECT_EQ(Written("a\xff"), "\"a\xef\xbf\xbd\"");
  for (int byte = 0x80; byte < 0x100; ++byte) {
    EXPECT_TRUE(ParseJson(Written(std::string(1, static_cast<char>(byte))))) << byte;
  }
}

}  // namespace
}  // namespace ember::vmm
