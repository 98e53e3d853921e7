#ifndef EMBER_VMM_CONFIG_JSON_READER_H_
#define EMBER_VMM_CONFIG_JSON_READER_H_

#include <array>
#include <concepts>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/concat.h"
#include "base/result.h"

namespace ember::vmm {

using Json = nlohmann::json;

// Parses text strictly: no comments, no duplicate field, no nesting deeper than any of ours.
Result<Json> ParseJson(std::string_view text);

// One name of an enumeration and its value.
template <typename T>
struct Named {
  std::string_view name;
  T value;
};

// Takes the fields of one JSON object, each once. The first thing that is wrong is kept and told by
// Finish(); after it every field reads as absent. Lives only while one body is parsed.
//
//   ObjectReader in(json);
//   config.vcpu_count = in.Required<uint32_t>("vcpu_count");
//   config.smt = in.Optional<bool>("smt").value_or(false);
//   TRY(in.Finish());
class ObjectReader {
 public:
  // Borrows the value for its life.
  explicit ObjectReader(const Json& value);

  // Absent is nothing; null is nothing too, as clients write it. Another type is an error.
  template <typename T>
  std::optional<T> Optional(std::string_view field) {
    const Json* value = Take(field);
    if (value == nullptr || value->is_null()) return std::nullopt;
    return Convert<T>(field, *value);
  }

  // Absent or null is an error.
  template <typename T>
  T Required(std::string_view field) {
    const Json* value = Take(field);
    if (value == nullptr) {
      Fail(Concat("missing field `", field, "`"));
      return T{};
    }
    return Convert<T>(field, *value).value_or(T{});
  }

  // A string that must be one of the names.
  template <typename T, size_t n>
  std::optional<T> OptionalOneOf(std::string_view field, const std::array<Named<T>, n>& names) {
    const std::optional<std::string> text = Optional<std::string>(field);
    if (!text) return std::nullopt;
    return Find(field, *text, std::span<const Named<T>>(names));
  }
  template <typename T, size_t n>
  T RequiredOneOf(std::string_view field, const std::array<Named<T>, n>& names) {
    const std::string text = Required<std::string>(field);
    return Find(field, text, std::span<const Named<T>>(names)).value_or(T{});
  }

  // The field as it is, or null where it is absent.
  const Json* Take(std::string_view field);
  bool Has(std::string_view field) const { return object_ != nullptr && object_->contains(field); }
  void Fail(std::string message);

  // The first error, or that a field is there which nothing took.
  Status Finish();

 private:
  template <typename T>
  std::optional<T> Convert(std::string_view field, const Json& value);
  template <typename T>
  std::optional<T> Find(std::string_view field, std::string_view text,
                        std::span<const Named<T>> names) {
    std::vector<std::string_view> known;
    for (const Named<T>& named : names) {
      if (named.name == text) return named.value;
      known.push_back(named.name);
    }
    FailVariant(field, text, known);
    return std::nullopt;
  }
  void FailType(std::string_view field, const Json& value, std::string_view expected);
  void FailVariant(std::string_view field, std::string_view text,
                   const std::vector<std::string_view>& names);
  std::optional<uint64_t> ConvertUnsigned(std::string_view field, const Json& value, uint64_t limit,
                                          std::string_view type);

  const Json* object_ = nullptr;
  std::vector<std::string_view> taken_;
  std::optional<Error> error_;
};

template <>
std::optional<bool> ObjectReader::Convert<bool>(std::string_view field, const Json& value);
template <>
std::optional<std::string> ObjectReader::Convert<std::string>(std::string_view field,
                                                              const Json& value);
template <>
std::optional<uint8_t> ObjectReader::Convert<uint8_t>(std::string_view field, const Json& value);
template <>
std::optional<uint64_t> ObjectReader::Convert<uint64_t>(std::string_view field, const Json& value);

}  // namespace ember::vmm

#endif  // EMBER_VMM_CONFIG_JSON_READER_H_
