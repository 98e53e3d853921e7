#include "snapshot/cbor.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/concat.h"

namespace ember::snapshot {
namespace {

using Json = nlohmann::json;

StateValue::Bytes ToBytes(const Json::binary_t& raw) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(raw));
  return {bytes.begin(), bytes.end()};
}

Json::binary_t FromBytes(const StateValue::Bytes& bytes) {
  Json::binary_t raw;
  raw.reserve(bytes.size());
  for (const std::byte byte : bytes) raw.push_back(std::to_integer<uint8_t>(byte));
  return raw;
}

Json ToJson(const StateValue& state) {
  if (const auto* truth = std::get_if<bool>(&state.value)) return *truth;
  if (const auto* number = std::get_if<uint64_t>(&state.value)) return *number;
  if (const auto* text = std::get_if<std::string>(&state.value)) return *text;
  if (const auto* bytes = std::get_if<StateValue::Bytes>(&state.value)) return FromBytes(*bytes);
  if (const auto* list = std::get_if<StateValue::List>(&state.value)) {
    Json json = Json::array();
    for (const StateValue& item : *list) json.push_back(ToJson(item));
    return json;
  }
  Json json = Json::object();
  for (const StateValue::Member& member : std::get<StateValue::Map>(state.value)) {
    json[member.name] = ToJson(member.value);
  }
  return json;
}

// Builds the tree from the parser's events. A handler that returns false ends the parse.
class TreeBuilder {
 public:
  // NOLINTBEGIN(readability-identifier-naming): the names are nlohmann's.
  bool null() { return Fail("a null"); }
  bool boolean(bool value) { return Add({value}); }
  // The parser takes only negative numbers for signed ones.
  bool number_integer(Json::number_integer_t /*value*/) { return Fail("a negative number"); }
  bool number_unsigned(Json::number_unsigned_t value) { return Add({value}); }
  bool number_float(Json::number_float_t /*value*/, const Json::string_t& /*text*/) {
    return Fail("a fractional number");
  }
  bool string(Json::string_t& value) { return Add({std::move(value)}); }
  bool binary(Json::binary_t& value) { return Add({ToBytes(value)}); }
  bool start_object(size_t /*size*/) { return Open(StateValue::Map{}); }
  bool key(Json::string_t& name) {
    open_.back().name = std::move(name);
    return true;
  }
  bool end_object() {
    const auto& members = std::get<StateValue::Map>(open_.back().container.value);
    if (const auto name = FindDuplicate(members)) return Fail(Concat("two members `", *name, "`"));
    return Close();
  }
  bool start_array(size_t /*size*/) { return Open(StateValue::List{}); }
  bool end_array() { return Close(); }
  bool parse_error(size_t position, const std::string& /*last_token*/,
                   const nlohmann::detail::exception& /*error*/) {
    return Fail(Concat("a malformed item at byte ", position));
  }
  // NOLINTEND(readability-identifier-naming)

  Result<StateValue> Finish() && {
    if (error_) return Error(Concat("the state holds ", *error_));
    return std::move(root_);
  }

 private:
  // A container whose end has not come.
  struct Unfinished {
    StateValue container;
    std::string name;  // of the member whose value comes next
  };

  bool Fail(std::string what) {
    error_ = std::move(what);
    return false;
  }

  template <typename Container>
  bool Open(Container container) {
    if (open_.size() == kMaxStateDepth) {
      return Fail(Concat("more than ", kMaxStateDepth, " levels of nesting"));
    }
    open_.push_back({.container = {std::move(container)}, .name = {}});
    return true;
  }

  bool Close() {
    StateValue done = std::move(open_.back().container);
    open_.pop_back();
    return Add(std::move(done));
  }

  bool Add(StateValue value) {
    if (++count_ > kMaxStateValues) return Fail(Concat("more than ", kMaxStateValues, " values"));
    if (open_.empty()) {
      root_ = std::move(value);
      return true;
    }
    Unfinished& parent = open_.back();
    if (auto* list = std::get_if<StateValue::List>(&parent.container.value)) {
      list->push_back(std::move(value));
    } else {
      std::get<StateValue::Map>(parent.container.value)
          .push_back({.name = std::move(parent.name), .value = std::move(value)});
    }
    return true;
  }

  // Sorted, because comparing each with each would take a hostile file's square.
  static std::optional<std::string> FindDuplicate(const StateValue::Map& members) {
    std::vector<std::string_view> names;
    names.reserve(members.size());
    for (const StateValue::Member& member : members) names.push_back(member.name);
    std::ranges::sort(names);
    const auto duplicate = std::ranges::adjacent_find(names);
    if (duplicate == names.end()) return std::nullopt;
    return std::string(*duplicate);
  }

  std::vector<Unfinished> open_;
  StateValue root_;
  size_t count_ = 0;
  std::optional<std::string> error_;
};

}  // namespace

const StateValue* StateValue::Find(std::string_view name) const {
  const auto* members = std::get_if<Map>(&value);
  if (members == nullptr) return nullptr;
  const auto found = std::ranges::find(*members, name, &Member::name);
  return found == members->end() ? nullptr : &found->value;
}

bool operator==(const StateValue& a, const StateValue& b) { return a.value == b.value; }

std::string_view Kind(const StateValue& value) {
  constexpr std::string_view kKinds[] = {"a truth value", "a number", "text",
                                         "bytes",         "a list",   "a map"};
  static_assert(std::size(kKinds) == std::variant_size_v<decltype(StateValue::value)>);
  return kKinds[value.value.index()];
}

std::vector<std::byte> EncodeCbor(const StateValue& root) {
  const std::vector<uint8_t> raw = Json::to_cbor(ToJson(root));
  const std::span<const std::byte> bytes = std::as_bytes(std::span(raw));
  return {bytes.begin(), bytes.end()};
}

Result<StateValue> DecodeCbor(std::span<const std::byte> bytes) {
  // The parser's input is characters.
  const auto* const begin = static_cast<const uint8_t*>(static_cast<const void*>(bytes.data()));
  TreeBuilder builder;
  Json::sax_parse(begin, begin + bytes.size(), &builder, nlohmann::detail::input_format_t::cbor);
  return std::move(builder).Finish();
}

}  // namespace ember::snapshot
