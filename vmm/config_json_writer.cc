#include "vmm/config_json_writer.h"

#include <algorithm>
#include <concepts>
#include <nlohmann/json.hpp>
#include <variant>

namespace ember::vmm {
namespace {

// An overload for each kind of value. As deep as the tree, which has a limit: kMaxJsonDepth.
class TextOf {
 public:
  explicit TextOf(std::string& out) : out_(out) {}

  void operator()(JsonValue::Null /*null*/) { out_ += "null"; }
  void operator()(bool value) { out_ += value ? "true" : "false"; }
  template <std::integral T>
  void operator()(T value) {
    out_ += Concat(value);
  }
  void operator()(double value) { out_ += nlohmann::json(value).dump(); }
  void operator()(const std::string& text) { AppendJsonString(out_, text); }
  void operator()(const JsonValue::Array& values) {
    out_ += '[';
    for (const JsonValue& value : values) {
      if (&value != values.data()) out_ += ',';
      std::visit(*this, value.value);
    }
    out_ += ']';
  }
  void operator()(const JsonValue::Object& members) {
    out_ += '{';
    for (const JsonValue::Member& member : members) {
      if (&member != members.data()) out_ += ',';
      AppendJsonString(out_, member.name);
      out_ += ':';
      std::visit(*this, member.value.value);
    }
    out_ += '}';
  }

 private:
  std::string& out_;
};

}  // namespace

void AppendJsonString(std::string& out, std::string_view text) {
  const bool plain = std::ranges::all_of(
      text, [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
  if (plain) {
    out += '"';
    out += text;
    out += '"';
    return;
  }
  using Json = nlohmann::json;
  out += Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string ToText(const JsonValue& json) {
  std::string out;
  std::visit(TextOf(out), json.value);
  return out;
}

}  // namespace ember::vmm
