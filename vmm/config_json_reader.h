#ifndef EMBER_VMM_CONFIG_JSON_READER_H_
#define EMBER_VMM_CONFIG_JSON_READER_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "vmm/config_json_value.h"
#include "vmm/thread_choice.h"

namespace ember::vmm {

// A value of an enumeration and its name in JSON.
template <typename T>
struct Named {
  std::string_view name;
  T value;
};

// The name of a value that is in the table.
template <typename T, size_t n>
std::string_view NameOf(const Named<T> (&names)[n], T value) {
  for (const Named<T>& named : names) {
    if (named.value == value) return named.name;
  }
  return {};
}

inline constexpr Named<ThreadChoice> kThreadChoices[] = {{"Vmm", ThreadChoice::kVmm},
                                                         {"Own", ThreadChoice::kOwn}};

// Reads one JSON object strictly. Each error names the field and what is wrong with it, in the
// words that clients of the contract know:
//
//   static constexpr std::string_view kFields[] = {"drive_id", "is_read_only"};
//   const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
//   drive.drive_id = TRY(in.Required<std::string>("drive_id"));
//   drive.is_read_only = TRY(in.Optional<bool>("is_read_only")).value_or(false);
//
// T is bool, std::string, std::vector<std::string> or an unsigned integer type, whose range is the
// field's. Borrows the value.
class ObjectReader {
 public:
  // Fails where `value` is no object or has a member that is not among `fields`.
  static Result<ObjectReader> Create(const JsonValue& value,
                                     std::span<const std::string_view> fields);
  // Fails where `value` is no object. Members that are not asked for are passed over.
  static Result<ObjectReader> CreateTolerant(const JsonValue& value);

  // What there is to read further; null where it is absent or JSON's null.
  const JsonValue* FindPart(std::string_view field) const;

  // Absent is an error.
  template <typename T>
  Result<T> Required(std::string_view field) const {
    return Convert<T>(field, *TRY(Get(field)));
  }
  // Absent or null is nothing.
  template <typename T>
  Result<std::optional<T>> Optional(std::string_view field) const {
    const JsonValue* value = Find(field);
    if (value == nullptr || value->is_null()) return std::optional<T>();
    return std::optional<T>(TRY(Convert<T>(field, *value)));
  }
  // Absent is `otherwise`; null is an error.
  template <typename T>
  Result<T> WithDefault(std::string_view field, T otherwise) const {
    const JsonValue* value = Find(field);
    if (value == nullptr) return otherwise;
    return Convert<T>(field, *value);
  }

  // The same for a string that must be one of the names.
  template <typename T, size_t n>
  Result<T> Required(std::string_view field, const Named<T> (&names)[n]) const {
    return Choose<T>(field, TRY(Required<std::string>(field)), names);
  }
  template <typename T, size_t n>
  Result<std::optional<T>> Optional(std::string_view field, const Named<T> (&names)[n]) const {
    const std::optional<std::string> text = TRY(Optional<std::string>(field));
    if (!text) return std::optional<T>();
    return std::optional<T>(TRY(Choose<T>(field, *text, names)));
  }
  template <typename T, size_t n>
  Result<T> WithDefault(std::string_view field, const Named<T> (&names)[n], T otherwise) const {
    if (Find(field) == nullptr) return otherwise;
    return Required(field, names);
  }

 private:
  explicit ObjectReader(const JsonValue& value) : object_(value) {}

  const JsonValue* Find(std::string_view field) const { return object_.Find(field); }
  Result<const JsonValue*> Get(std::string_view field) const;

  template <typename T>
  static Result<T> Convert(std::string_view field, const JsonValue& value);
  template <std::unsigned_integral T>
  static Result<T> Convert(std::string_view field, const JsonValue& value) {
    return static_cast<T>(TRY(ConvertUnsigned(field, value, std::numeric_limits<T>::max())));
  }
  static Result<uint64_t> ConvertUnsigned(std::string_view field, const JsonValue& value,
                                          uint64_t limit);

  template <typename T>
  static Result<T> Choose(std::string_view field, std::string_view text,
                          std::span<const Named<T>> names) {
    std::vector<std::string_view> known;
    for (const Named<T>& named : names) {
      if (named.name == text) return named.value;
      known.push_back(named.name);
    }
    return UnknownVariant(field, text, known);
  }
  static Error UnknownVariant(std::string_view field, std::string_view text,
                              std::span<const std::string_view> known);

  const JsonValue& object_;
};

template <>
Result<bool> ObjectReader::Convert<bool>(std::string_view field, const JsonValue& value);
template <>
Result<std::string> ObjectReader::Convert<std::string>(std::string_view field,
                                                       const JsonValue& value);
template <>
Result<std::vector<std::string>> ObjectReader::Convert<std::vector<std::string>>(
    std::string_view field, const JsonValue& value);

// "string "x"", "integer `5`", "null", …: a value as an error shows it, long ones cut.
std::string DescribeJson(const JsonValue& value);

}  // namespace ember::vmm

#endif  // EMBER_VMM_CONFIG_JSON_READER_H_
