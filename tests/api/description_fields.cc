#include "tests/api/description_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include "base/concat.h"

namespace ember::api {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::string_view kBodyError = "An error occurred when deserializing";

// What the server calls a type, but for integers.
const std::map<std::string, std::string_view> kTypes = {
    {"boolean", "a boolean"}, {"string", "a string"}, {"array", "a sequence"}, {"object", "a map"}};
struct Unsigned {
  std::string_view format;
  uint64_t most;
};
const std::map<std::string_view, Unsigned> kUnsigned = {{"u8", {"uint8", UINT8_MAX}},
                                                        {"u16", {"uint16", UINT16_MAX}},
                                                        {"u32", {"uint32", UINT32_MAX}},
                                                        {"u64", {"uint64", UINT64_MAX}}};

}  // namespace

std::set<std::string> QuotedNames(std::string_view error) {
  std::set<std::string> names;
  error.remove_prefix(std::min(error.rfind("expected"), error.size()));
  for (;;) {
    const size_t begin = error.find('`');
    if (begin == std::string_view::npos) return names;
    error.remove_prefix(begin + 1);
    const size_t end = error.find('`');
    names.emplace(error.substr(0, end));
    error.remove_prefix(end + 1);
  }
}

void FieldsProbe::Check() const {
  const Json& schema = description_.Resolve(*operation_.body_schema());
  EXPECT_EQ(Fault(operation_.body_example()), "") << operation_.name() << ": the example";
  // Any object will do for the metadata.
  if (schema.contains("properties")) CheckObject(schema, Pointer());
}

void FieldsProbe::CheckObject(const Json& schema, const Pointer& at) const {
  CheckNames(schema, at);
  for (const auto& [name, field] : schema.at("properties").items()) {
    CheckAbsentAndNull(schema, at, name);
    CheckType(field, at / name, name);
    CheckInside(field, at / name);
  }
}

void FieldsProbe::CheckNames(const Json& schema, const Pointer& at) const {
  const std::string fault = FaultWith(at / "no_such_field", 1);
  if (schema.at("additionalProperties") == true) {
    EXPECT_EQ(fault, "") << Where(at);
    return;
  }
  std::set<std::string> described;
  for (const auto& [name, field] : schema.at("properties").items()) described.insert(name);
  EXPECT_THAT(fault, HasSubstr("unknown field `no_such_field`")) << Where(at);
  EXPECT_EQ(QuotedNames(fault), described) << Where(at) << " does not have the server's fields";
}

void FieldsProbe::CheckAbsentAndNull(const Json& schema, const Pointer& at,
                                     const std::string& name) const {
  const Json& field = schema.at("properties").at(name);
  const bool must = MustHave(schema, operation_.body_example().at(at), name);
  const std::string missing = FaultWithout(at, name);
  if (must) {
    // Of several that take each other's place all are named.
    EXPECT_THAT(missing, AllOf(HasSubstr("missing field"), HasSubstr(Concat("`", name, "`"))))
        << Where(at / name);
  } else {
    EXPECT_EQ(missing, "") << Where(at / name);
  }
  const bool null_is_fine = !must && description_.MayBeNull(field);
  EXPECT_EQ(FaultWith(at / name, nullptr).empty(), null_is_fine) << Where(at / name) << ": null";
}

void FieldsProbe::CheckType(const Json& schema, const Pointer& at, const std::string& name) const {
  const std::string type = description_.TypeOf(schema);
  const bool is_object = type == "object";
  const std::string fault = FaultWith(at, is_object ? Json(1) : Json::object());
  // Fields of which only null, or an array without elements, is taken.
  if (type == "null" || schema.value("maxItems", 1) == 0) {
    EXPECT_THAT(fault, HasSubstr(Concat(name, ": "))) << Where(at);
    return;
  }
  const std::string begin =
      Concat(name, ": invalid type: ", is_object ? "integer `1`" : "map", ", expected ");
  const size_t found = fault.find(begin);
  ASSERT_NE(found, std::string::npos) << Where(at) << ": " << fault;
  std::string_view expected = std::string_view(fault).substr(found + begin.size());
  expected = expected.substr(0, expected.rfind('.'));
  if (type == "integer") {
    CheckInteger(schema, at, expected);
  } else {
    EXPECT_EQ(expected, kTypes.at(type)) << Where(at);
  }
  if (type == "string") CheckVariants(schema, at);
}

// Where the schema does not name the server's type, its bound must be tighter.
void FieldsProbe::CheckInteger(const Json& schema, const Pointer& at,
                               std::string_view expected) const {
  const auto found = kUnsigned.find(expected);
  ASSERT_NE(found, kUnsigned.end()) << Where(at) << ": " << expected;
  const auto& [format, most] = found->second;
  const auto maximum = schema.at("maximum").get<uint64_t>();
  if (schema.contains("format")) {
    EXPECT_EQ(schema.at("format"), format) << Where(at);
    EXPECT_EQ(maximum, most) << Where(at);
  } else {
    EXPECT_LT(maximum, most) << Where(at);
  }
}

void FieldsProbe::CheckVariants(const Json& schema, const Pointer& at) const {
  const std::string fault = FaultWith(at, "no/such name");
  std::set<std::string> described;
  for (const Json& variant : schema.value("enum", Json::array())) {
    if (!variant.is_null()) described.insert(variant);
  }
  const bool has_variants = fault.find("unknown variant") != std::string::npos;
  EXPECT_EQ(has_variants ? QuotedNames(fault) : std::set<std::string>(), described) << Where(at);
}

void FieldsProbe::CheckInside(const Json& field, const Pointer& at) const {
  const Json& schema = description_.Resolve(field);
  const Json example = operation_.body_example();
  if (schema.contains("properties")) {
    ASSERT_TRUE(example.contains(at) && example.at(at).is_object()) << Where(at) << ": no example";
    CheckObject(schema, at);
    return;
  }
  if (!schema.contains("items") || schema.value("maxItems", 1) == 0) return;
  const Json& items = description_.Resolve(schema.at("items"));
  if (items.contains("properties")) {
    ASSERT_TRUE(example.contains(at / 0)) << Where(at) << ": no example";
    CheckObject(items, at / 0);
    return;
  }
  EXPECT_EQ(items.at("type"), "string") << Where(at);
  EXPECT_THAT(FaultWith(at, {1}), HasSubstr("invalid type: integer `1`, expected a string"));
}

bool FieldsProbe::MustHave(const Json& schema, const Json& object, const std::string& name) const {
  if (Contains(schema.value("required", Json::array()), name)) return true;
  // Of alternatives the last one that the object fulfils.
  const Json alternatives = schema.value("anyOf", Json::array());
  return !alternatives.empty() && std::ranges::none_of(alternatives, [&](const Json& alternative) {
    return std::ranges::all_of(alternative.at("required"), [&](const Json& needed) {
      return needed != name && object.contains(needed) && !object.at(needed).is_null();
    });
  });
}

std::string FieldsProbe::FaultWith(const Pointer& at, const Json& value) const {
  Json body = operation_.body_example();
  body[at] = value;
  return Fault(body);
}

std::string FieldsProbe::FaultWithout(const Pointer& at, const std::string& name) const {
  Json body = operation_.body_example();
  body.at(at).erase(name);
  return Fault(body);
}

std::string FieldsProbe::Fault(const Json& body) const {
  const Json answer = Json::parse(send_(body), nullptr, false);
  const std::string fault = answer.is_object() ? answer.value("fault_message", "") : "";
  return fault.starts_with(kBodyError) ? fault : "";
}

std::string FieldsProbe::Where(const Pointer& at) const {
  return Concat(operation_.name(), " ", at.to_string());
}

}  // namespace ember::api
