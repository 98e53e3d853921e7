#include "vmm/config_json_reader.h"

#include <algorithm>
#include <set>

namespace ember::vmm {
namespace {

constexpr int kMaxDepth = 16;

// A value as an error shows it: its type and, where it is short, itself.
std::string Describe(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::object:
      return "map";
    case Json::value_t::array:
      return "sequence";
    case Json::value_t::string: {
      constexpr size_t kShown = 64;
      const std::string text = value.get<std::string>();
      return Concat("string \"", std::string_view(text).substr(0, kShown),
                    text.size() > kShown ? "…\"" : "\"");
    }
    case Json::value_t::boolean:
      return Concat("boolean `", value.dump(), "`");
    case Json::value_t::number_float:
      return Concat("floating point `", value.dump(), "`");
    default:
      return Concat("integer `", value.dump(), "`");
  }
}

// Watches the parser go by: what nlohmann accepts and we do not.
class StrictWatch {
 public:
  bool operator()(int depth, Json::parse_event_t event, const Json& value) {
    if (depth > kMaxDepth) Complain(Concat("nested deeper than ", kMaxDepth, " levels"));
    if (event == Json::parse_event_t::object_start) fields_.emplace_back();
    if (event == Json::parse_event_t::object_end) fields_.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto& name = value.get_ref<const std::string&>();
      if (!fields_.back().insert(name).second) Complain(Concat("duplicate field `", name, "`"));
    }
    return true;
  }
  const std::optional<std::string>& complaint() const { return complaint_; }

 private:
  void Complain(std::string message) {
    if (!complaint_) complaint_ = std::move(message);
  }

  std::vector<std::set<std::string>> fields_;
  std::optional<std::string> complaint_;
};

}  // namespace

Result<Json> ParseJson(std::string_view text) {
  StrictWatch watch;
  Json value = Json::parse(
      text.begin(), text.end(),
      [&watch](int depth, Json::parse_event_t event, Json& parsed) {
        return watch(depth, event, parsed);
      },
      /*allow_exceptions=*/false);
  if (value.is_discarded()) return Error("the text is not valid JSON");
  if (watch.complaint()) return Error(*watch.complaint());
  return value;
}

ObjectReader::ObjectReader(const Json& value) {
  if (value.is_object()) {
    object_ = &value;
  } else {
    Fail(Concat("invalid type: ", Describe(value), ", expected an object"));
  }
}

const Json* ObjectReader::Take(std::string_view field) {
  taken_.push_back(field);
  if (object_ == nullptr) return nullptr;
  const auto found = object_->find(field);
  return found == object_->end() ? nullptr : &*found;
}

void ObjectReader::Fail(std::string message) {
  if (!error_) error_ = Error(std::move(message));
}

void ObjectReader::FailType(std::string_view field, const Json& value, std::string_view expected) {
  Fail(Concat(field, ": invalid type: ", Describe(value), ", expected ", expected));
}

void ObjectReader::FailVariant(std::string_view field, std::string_view text,
                               const std::vector<std::string_view>& names) {
  std::string expected;
  for (const std::string_view name : names) {
    expected += Concat(expected.empty() ? "`" : ", `", name, "`");
  }
  Fail(Concat(field, ": unknown variant `", text, "`, expected one of ", expected));
}

Status ObjectReader::Finish() {
  if (object_ != nullptr) {
    for (const auto& [name, value] : object_->items()) {
      if (std::ranges::find(taken_, name) != taken_.end()) continue;
      std::string expected;
      for (const std::string_view known : taken_) {
        expected += Concat(expected.empty() ? "`" : ", `", known, "`");
      }
      Fail(Concat("unknown field `", name, "`, expected one of ", expected));
    }
  }
  if (error_) return std::move(*error_);
  return {};
}

std::optional<uint64_t> ObjectReader::ConvertUnsigned(std::string_view field, const Json& value,
                                                      uint64_t limit, std::string_view type) {
  if (!value.is_number_integer()) {
    FailType(field, value, type);
    return std::nullopt;
  }
  // A negative number is not is_number_unsigned().
  if (!value.is_number_unsigned() || value.get<uint64_t>() > limit) {
    Fail(Concat(field, ": invalid value: ", Describe(value), ", expected ", type));
    return std::nullopt;
  }
  return value.get<uint64_t>();
}

template <>
std::optional<bool> ObjectReader::Convert<bool>(std::string_view field, const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  FailType(field, value, "a boolean");
  return std::nullopt;
}

template <>
std::optional<std::string> ObjectReader::Convert<std::string>(std::string_view field,
                                                              const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  FailType(field, value, "a string");
  return std::nullopt;
}

template <>
std::optional<uint8_t> ObjectReader::Convert<uint8_t>(std::string_view field, const Json& value) {
  const auto number = ConvertUnsigned(field, value, std::numeric_limits<uint8_t>::max(), "u8");
  if (!number) return std::nullopt;
  return static_cast<uint8_t>(*number);
}

template <>
std::optional<uint64_t> ObjectReader::Convert<uint64_t>(std::string_view field, const Json& value) {
  return ConvertUnsigned(field, value, std::numeric_limits<uint64_t>::max(), "usize");
}

}  // namespace ember::vmm
