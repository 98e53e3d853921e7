#include "vmm/config_json_value.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/concat.h"

namespace ember::vmm {
namespace {

// "[json.exception.parse_error.101] parse error at line 1, column 2: what; last read: '…'" without
// what only a programmer wants and what may be as long as the text.
std::string Shorten(std::string_view what) {
  if (const size_t end = what.find("] "); end != std::string_view::npos)
    what.remove_prefix(end + 2);
  return std::string(what.substr(0, what.find("; last read")));
}

// Builds the tree from the parser's events. A handler that returns false ends the parse.
class TreeBuilder {
 public:
  using Json = nlohmann::json;

  // NOLINTBEGIN(readability-identifier-naming): the names are nlohmann's.
  bool null() { return Add({}); }
  bool boolean(bool value) { return Add({value}); }
  bool number_integer(Json::number_integer_t value) {
    return value < 0 ? Add({value}) : Add({static_cast<uint64_t>(value)});
  }
  bool number_unsigned(Json::number_unsigned_t value) { return Add({value}); }
  bool number_float(Json::number_float_t value, const Json::string_t& /*text*/) {
    return Add({value});
  }
  bool string(Json::string_t& value) { return Add({std::move(value)}); }
  bool binary(Json::binary_t& /*value*/) { return Fail("binary data"); }
  bool start_object(size_t /*size*/) { return Open(JsonValue::Object{}); }
  bool key(Json::string_t& name) {
    open_.back().name = std::move(name);
    return true;
  }
  bool end_object() {
    const auto& members = std::get<JsonValue::Object>(open_.back().container.value);
    if (const auto name = FindDuplicate(members)) {
      return Fail(Concat("duplicate field `", *name, "`"));
    }
    return Close();
  }
  bool start_array(size_t /*size*/) { return Open(JsonValue::Array{}); }
  bool end_array() { return Close(); }
  bool parse_error(size_t /*position*/, const std::string& /*last_token*/,
                   const nlohmann::detail::exception& error) {
    return Fail(Shorten(error.what()));
  }
  // NOLINTEND(readability-identifier-naming)

  Result<JsonValue> Finish() && {
    if (error_) return Error(*std::move(error_));
    return std::move(root_);
  }

 private:
  // A container whose end has not come.
  struct Unfinished {
    JsonValue container;
    std::string name;  // of the member whose value comes next
  };

  bool Fail(std::string message) {
    error_ = std::move(message);
    return false;
  }

  template <typename Container>
  bool Open(Container container) {
    if (open_.size() == kMaxJsonDepth) {
      return Fail(Concat("nested deeper than ", kMaxJsonDepth, " levels"));
    }
    open_.push_back({.container = {std::move(container)}});
    return true;
  }

  bool Close() {
    JsonValue done = std::move(open_.back().container);
    open_.pop_back();
    return Add(std::move(done));
  }

  bool Add(JsonValue value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return true;
    }
    Unfinished& parent = open_.back();
    if (auto* array = std::get_if<JsonValue::Array>(&parent.container.value)) {
      array->push_back(std::move(value));
    } else {
      std::get<JsonValue::Object>(parent.container.value)
          .push_back({.name = std::move(parent.name), .value = std::move(value)});
    }
    return true;
  }

  // Sorted, because comparing each with each would take a hostile text's square.
  static std::optional<std::string> FindDuplicate(const JsonValue::Object& members) {
    std::vector<std::string_view> names;
    names.reserve(members.size());
    for (const JsonValue::Member& member : members) names.push_back(member.name);
    std::ranges::sort(names);
    const auto duplicate = std::ranges::adjacent_find(names);
    if (duplicate == names.end()) return std::nullopt;
    return std::string(*duplicate);
  }

  std::vector<Unfinished> open_;
  JsonValue root_;
  std::optional<std::string> error_;
};

}  // namespace

const JsonValue* JsonValue::Find(std::string_view name) const {
  const auto* members = std::get_if<Object>(&value);
  if (members == nullptr) return nullptr;
  const auto found = std::ranges::find(*members, name, &Member::name);
  return found == members->end() ? nullptr : &found->value;
}

Result<JsonValue> ParseJson(std::string_view text) {
  // The parser would take it for the end of the text and not look at what follows.
  if (const size_t zero = text.find('\0'); zero != std::string_view::npos) {
    return Error(Concat("parse error: byte ", zero, " of the text is 0"));
  }
  TreeBuilder builder;
  nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  return std::move(builder).Finish();
}

}  // namespace ember::vmm
