#include "snapshot/fields.h"

#include <algorithm>

namespace ember::snapshot {

void Fields::AddNumber(std::string_view name, uint64_t& value, uint64_t most) {
  Add(name, value);
  if (into_ != nullptr || value <= most) return;
  FailMember(name, Concat(value, " exceeds the limit ", most));
  value = 0;
}

const StateValue* Fields::Take(std::string_view name) {
  const auto found = std::ranges::find(*from_, name, &StateValue::Member::name);
  if (found == from_->end()) return nullptr;
  taken_[static_cast<size_t>(found - from_->begin())] = true;
  return &found->value;
}

void Fields::Finish() {
  const auto left = std::ranges::find(taken_, false);
  if (left == taken_.end()) return;
  FailMember((*from_)[static_cast<size_t>(left - taken_.begin())].name, "unknown");
}

void Fields::FailMember(std::string_view name, std::string_view what) {
  const size_t length = reading_->path.size();
  if (length != 0) reading_->path += '.';
  reading_->path += name;
  Fail(*reading_, what);
  reading_->path.resize(length);
}

void Fields::Fail(Reading& reading, std::string_view what) {
  if (reading.error) return;
  reading.error = reading.path.empty() ? std::string(what) : Concat(reading.path, ": ", what);
}

void Fields::FailKind(Reading& reading, std::string_view wanted, const StateValue& found) {
  Fail(reading, Concat("is ", Kind(found), ", not ", wanted));
}

uint64_t Fields::DecodeNumber(Reading& reading, const StateValue& from, uint64_t most) {
  const auto* const number = std::get_if<uint64_t>(&from.value);
  if (number == nullptr) {
    FailKind(reading, "a number", from);
    return 0;
  }
  if (*number <= most) return *number;
  Fail(reading, Concat(*number, " exceeds the limit ", most));
  return 0;
}

void Fields::Decode(Reading& reading, const StateValue& from, bool& value) {
  const auto* const truth = std::get_if<bool>(&from.value);
  if (truth == nullptr) return FailKind(reading, "a truth value", from);
  value = *truth;
}

void Fields::Decode(Reading& reading, const StateValue& from, std::string& value) {
  const auto* const text = std::get_if<std::string>(&from.value);
  if (text == nullptr) return FailKind(reading, "text", from);
  value = *text;
}

void Fields::Decode(Reading& reading, const StateValue& from, std::vector<std::byte>& value) {
  const auto* const bytes = std::get_if<StateValue::Bytes>(&from.value);
  if (bytes == nullptr) return FailKind(reading, "bytes", from);
  value = *bytes;
}

void Fields::DecodeBytes(Reading& reading, const StateValue& from, std::span<std::byte> value) {
  const auto* const bytes = std::get_if<StateValue::Bytes>(&from.value);
  if (bytes == nullptr) return FailKind(reading, "bytes", from);
  if (bytes->size() != value.size()) {
    return Fail(reading, Concat("is ", bytes->size(), " bytes, not ", value.size()));
  }
  std::ranges::copy(*bytes, value.begin());
}

}  // namespace ember::snapshot
