#ifndef EMBER_VMM_CONFIG_JSON_VALUE_H_
#define EMBER_VMM_CONFIG_JSON_VALUE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace ember::vmm {

// One JSON value (RFC 8259): a plain tree. Any thread, one at a time.
struct JsonValue {
  struct Member;
  using Null = std::monostate;
  using Array = std::vector<JsonValue>;
  using Object = std::vector<Member>;  // as written; no name twice

  // An integer is unsigned unless it is below 0; one that fits neither is a double.
  std::variant<Null, bool, uint64_t, int64_t, double, std::string, Array, Object> value;

  bool is_null() const { return std::holds_alternative<Null>(value); }
  // The member of an object, or null where there is none or this is no object.
  const JsonValue* Find(std::string_view name) const;
};

struct JsonValue::Member {
  std::string name;
  JsonValue value;
};

// Arrays and objects within each other, so that nothing that walks a tree recurses deeply.
inline constexpr size_t kMaxJsonDepth = 64;

// Parses a whole text, which may be hostile: valid UTF-8 and JSON, no name twice in an object, not
// deeper than kMaxJsonDepth. Takes time and memory in proportion to the text, whose size the caller
// bounds.
Result<JsonValue> ParseJson(std::string_view text);

}  // namespace ember::vmm

#endif  // EMBER_VMM_CONFIG_JSON_VALUE_H_
