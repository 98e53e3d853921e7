#ifndef EMBER_SNAPSHOT_FIELDS_H_
#define EMBER_SNAPSHOT_FIELDS_H_

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/concat.h"
#include "base/result.h"
#include "memory/guest_address.h"
#include "snapshot/state_value.h"

namespace ember::snapshot {

// Goes over the fields of a structure, to put them into a tree or to take them from one: a
// structure lists its fields once, for both, in a function Describe() beside it.
//
//   void Describe(Fields& fields, QueueState& queue) {
//     fields.Add("size", queue.size);
//     fields.Add("ready", queue.ready);
//     fields.AddSince(2, "weight", queue.weight);
//   }
//   const StateValue tree = ToTree(state);
//   QueueState state = TRY(FromTree<QueueState>(tree, version));
//
// A field can be a bool, an unsigned number, a GuestAddress, text, bytes, a structure with a
// Describe(), or a vector or optional of these. An optional that is empty is not in the tree. What
// numbers mean is the structure's owner's to check. One thread.
class Fields {
 public:
  // Of every version of the format.
  template <typename T>
  void Add(std::string_view name, T& value) {
    if (into_ != nullptr) {
      into_->push_back({.name = std::string(name), .value = Encode(value)});
    } else if (const StateValue* const found = Take(name)) {
      DecodeMember(name, *found, value);
    } else {
      FailMember(name, "missing");
    }
  }
  template <typename T>
  void Add(std::string_view name, std::optional<T>& value) {
    if (into_ != nullptr) {
      if (value) Add(name, *value);
    } else if (const StateValue* const found = Take(name)) {
      DecodeMember(name, *found, value.emplace());
    } else {
      value.reset();
    }
  }
  // That came with a version of the format: a file of an older one leaves it as it is, at the
  // default that its structure gives it.
  template <typename T>
  void AddSince(uint32_t version, std::string_view name, T& value) {
    if (into_ != nullptr || reading_->version >= version) Add(name, value);
  }
  // One of the values from 0 to `last`.
  template <typename Enum>
  requires std::is_enum_v<Enum>
  void AddEnum(std::string_view name, Enum& value, Enum last) {
    auto number = static_cast<uint64_t>(value);
    AddNumber(name, number, static_cast<uint64_t>(last));
    value = static_cast<Enum>(number);
  }
  // A number of at most `most`.
  void AddNumber(std::string_view name, uint64_t& value, uint64_t most);

 private:
  template <typename T>
  friend StateValue ToTree(T state);
  template <typename T>
  friend Result<T> FromTree(const StateValue& tree, uint32_t version);

  // One read of one tree: where it is, and the first thing that was wrong.
  struct Reading {
    uint32_t version = 0;
    std::string path;  // "vcpus[2].lapic"
    std::optional<std::string> error;
  };

  explicit Fields(StateValue::Map& into) : into_(&into) {}
  Fields(const StateValue::Map& from, Reading& reading)
      : from_(&from), taken_(from.size(), false), reading_(&reading) {}

  // Reading.
  const StateValue* Take(std::string_view name);
  void FailMember(std::string_view name, std::string_view what);
  template <typename T>
  void DecodeMember(std::string_view name, const StateValue& from, T& value) {
    const size_t length = reading_->path.size();
    if (length != 0) reading_->path += '.';
    reading_->path += name;
    Decode(*reading_, from, value);
    reading_->path.resize(length);
  }
  // Once all fields were gone over: none may be left.
  void Finish();

  static void Fail(Reading& reading, std::string_view what);
  static void FailKind(Reading& reading, std::string_view wanted, const StateValue& found);
  static uint64_t DecodeNumber(Reading& reading, const StateValue& from, uint64_t most);
  static void Decode(Reading& reading, const StateValue& from, bool& value);
  static void Decode(Reading& reading, const StateValue& from, std::string& value);
  static void Decode(Reading& reading, const StateValue& from, std::vector<std::byte>& value);
  static void DecodeBytes(Reading& reading, const StateValue& from, std::span<std::byte> value);
  template <std::unsigned_integral T>
  static void Decode(Reading& reading, const StateValue& from, T& value) {
    value = static_cast<T>(DecodeNumber(reading, from, std::numeric_limits<T>::max()));
  }
  static void Decode(Reading& reading, const StateValue& from, GuestAddress& value) {
    value = GuestAddress{DecodeNumber(reading, from, std::numeric_limits<uint64_t>::max())};
  }
  template <size_t kSize>
  static void Decode(Reading& reading, const StateValue& from,
                     std::array<std::byte, kSize>& value) {
    DecodeBytes(reading, from, value);
  }
  template <typename T>
  static void Decode(Reading& reading, const StateValue& from, std::vector<T>& value) {
    const auto* const list = std::get_if<StateValue::List>(&from.value);
    if (list == nullptr) return FailKind(reading, "a list", from);
    value = std::vector<T>(list->size());
    const size_t length = reading.path.size();
    for (size_t i = 0; i < list->size() && !reading.error; ++i) {
      reading.path += Concat("[", i, "]");
      Decode(reading, (*list)[i], value[i]);
      reading.path.resize(length);
    }
  }
  template <typename T>
  static void Decode(Reading& reading, const StateValue& from, T& value) {
    const auto* const map = std::get_if<StateValue::Map>(&from.value);
    if (map == nullptr) return FailKind(reading, "a map", from);
    Fields fields(*map, reading);
    Describe(fields, value);
    fields.Finish();
  }

  // Writing.
  static StateValue Encode(bool value) { return {value}; }
  template <std::unsigned_integral T>
  static StateValue Encode(T value) {
    return {uint64_t{value}};
  }
  static StateValue Encode(GuestAddress value) { return {ToInteger(value)}; }
  static StateValue Encode(std::string& value) { return {value}; }
  static StateValue Encode(std::vector<std::byte>& value) { return {value}; }
  template <size_t kSize>
  static StateValue Encode(std::array<std::byte, kSize>& value) {
    return {StateValue::Bytes(value.begin(), value.end())};
  }
  template <typename T>
  static StateValue Encode(std::vector<T>& value) {
    StateValue::List list;
    list.reserve(value.size());
    for (T& item : value) list.push_back(Encode(item));
    return {std::move(list)};
  }
  template <typename T>
  requires std::is_class_v<T>
  static StateValue Encode(T& value) {
    StateValue::Map map;
    Fields fields(map);
    Describe(fields, value);
    return {std::move(map)};
  }

  // One of the two.
  StateValue::Map* into_ = nullptr;
  const StateValue::Map* from_ = nullptr;
  std::vector<bool> taken_;  // of from_'s members
  Reading* reading_ = nullptr;
};

// The structure as a tree.
template <typename T>
StateValue ToTree(T state) {
  return Fields::Encode(state);
}

// The reverse, of a file of `version`. Strict: a member that is missing, unknown, of another kind
// or too large is an error that names it: "vcpus[2].lapic: missing".
template <typename T>
Result<T> FromTree(const StateValue& tree, uint32_t version) {
  T state{};
  Fields::Reading reading{.version = version, .path = {}, .error = {}};
  Fields::Decode(reading, tree, state);
  if (reading.error) return Error(*std::move(reading.error));
  return state;
}

}  // namespace ember::snapshot

#endif  // EMBER_SNAPSHOT_FIELDS_H_
