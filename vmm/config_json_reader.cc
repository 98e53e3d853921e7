#include "vmm/config_json_reader.h"

#include <algorithm>
#include <charconv>

#include "base/concat.h"

namespace ember::vmm {
namespace {

// As much of a client's text as an error repeats.
constexpr size_t kShownBytes = 64;

std::string Shown(std::string_view text) {
  if (text.size() <= kShownBytes) return std::string(text);
  size_t end = kShownBytes;
  // Not in the middle of a character: 10xxxxxx continues one (the text is valid UTF-8).
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return Concat(text.substr(0, end), "...");
}

std::string Quote(double value) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value);
  return std::string(digits, end.ptr);
}

// "`a`", "`a` or `b`", "one of `a`, `b`, `c`".
std::string Choice(std::span<const std::string_view> names) {
  if (names.size() == 1) return Concat("`", names[0], "`");
  if (names.size() == 2) return Concat("`", names[0], "` or `", names[1], "`");
  std::string text = "one of ";
  for (size_t i = 0; i < names.size(); ++i) {
    text += Concat(i == 0 ? "`" : ", `", names[i], "`");
  }
  return text;
}

Error InvalidType(std::string_view field, const JsonValue& value, std::string_view expected) {
  return Error(Concat(field, ": invalid type: ", DescribeJson(value), ", expected ", expected));
}

std::string_view UnsignedName(uint64_t limit) {
  switch (limit) {
    case std::numeric_limits<uint8_t>::max():
      return "u8";
    case std::numeric_limits<uint16_t>::max():
      return "u16";
    case std::numeric_limits<uint32_t>::max():
      return "u32";
    default:
      return "u64";
  }
}

struct Describer {
  std::string operator()(JsonValue::Null) const { return "null"; }
  std::string operator()(bool value) const { return Concat("boolean `", value, "`"); }
  std::string operator()(uint64_t value) const { return Concat("integer `", value, "`"); }
  std::string operator()(int64_t value) const { return Concat("integer `", value, "`"); }
  std::string operator()(double value) const {
    return Concat("floating point `", Quote(value), "`");
  }
  std::string operator()(const std::string& value) const {
    return Concat("string \"", Shown(value), "\"");
  }
  std::string operator()(const JsonValue::Array&) const { return "sequence"; }
  std::string operator()(const JsonValue::Object&) const { return "map"; }
};

}  // namespace

std::string DescribeJson(const JsonValue& value) { return std::visit(Describer{}, value.value); }

Result<ObjectReader> ObjectReader::Create(const JsonValue& value,
                                          std::span<const std::string_view> fields) {
  const auto* members = std::get_if<JsonValue::Object>(&value.value);
  if (members == nullptr) {
    return Error(Concat("invalid type: ", DescribeJson(value), ", expected a map"));
  }
  for (const JsonValue::Member& member : *members) {
    if (std::ranges::find(fields, member.name) == fields.end()) {
      return Error(Concat("unknown field `", Shown(member.name), "`, expected ", Choice(fields)));
    }
  }
  return ObjectReader(value);
}

Result<ObjectReader> ObjectReader::CreateTolerant(const JsonValue& value) {
  if (!std::holds_alternative<JsonValue::Object>(value.value)) {
    return Error(Concat("invalid type: ", DescribeJson(value), ", expected a map"));
  }
  return ObjectReader(value);
}

const JsonValue* ObjectReader::FindPart(std::string_view field) const {
  const JsonValue* value = Find(field);
  return value == nullptr || value->is_null() ? nullptr : value;
}

Result<const JsonValue*> ObjectReader::Get(std::string_view field) const {
  const JsonValue* value = Find(field);
  if (value == nullptr) return Error(Concat("missing field `", field, "`"));
  return value;
}

template <>
Result<bool> ObjectReader::Convert<bool>(std::string_view field, const JsonValue& value) {
  const auto* boolean = std::get_if<bool>(&value.value);
  if (boolean == nullptr) return InvalidType(field, value, "a boolean");
  return *boolean;
}

template <>
Result<std::string> ObjectReader::Convert<std::string>(std::string_view field,
                                                       const JsonValue& value) {
  const auto* text = std::get_if<std::string>(&value.value);
  if (text == nullptr) return InvalidType(field, value, "a string");
  return *text;
}

template <>
Result<std::vector<std::string>> ObjectReader::Convert<std::vector<std::string>>(
    std::string_view field, const JsonValue& value) {
  const auto* const items = std::get_if<JsonValue::Array>(&value.value);
  if (items == nullptr) return InvalidType(field, value, "a sequence");
  std::vector<std::string> texts;
  for (const JsonValue& item : *items) {
    texts.push_back(TRY(Convert<std::string>(field, item)));
  }
  return texts;
}

Result<uint64_t> ObjectReader::ConvertUnsigned(std::string_view field, const JsonValue& value,
                                               uint64_t limit) {
  const auto* number = std::get_if<uint64_t>(&value.value);
  if (number == nullptr && !std::holds_alternative<int64_t>(value.value)) {
    return InvalidType(field, value, UnsignedName(limit));
  }
  if (number == nullptr || *number > limit) {
    return Error(Concat(field, ": invalid value: ", DescribeJson(value), ", expected ",
                        UnsignedName(limit)));
  }
  return *number;
}

Error ObjectReader::UnknownVariant(std::string_view field, std::string_view text,
                                   std::span<const std::string_view> known) {
  return Error(Concat(field, ": unknown variant `", Shown(text), "`, expected ", Choice(known)));
}

}  // namespace ember::vmm
