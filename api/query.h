#ifndef EMBER_API_QUERY_H_
#define EMBER_API_QUERY_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace ember::api {

// The part of a path behind '?': name=value pairs between '&'. Borrows the text. Names that nobody
// knows and names given twice are errors, as in bodies. Values are taken as they stand; those of
// our paths need no escapes.
class Query {
 public:
  static Result<Query> Parse(std::string_view text, std::span<const std::string_view> names);

  std::optional<std::string_view> Text(std::string_view name) const;
  // A decimal number up to `limit`; `absent` where there is none.
  Result<uint64_t> Number(std::string_view name, uint64_t absent, uint64_t limit) const;

 private:
  std::vector<std::pair<std::string_view, std::string_view>> pairs_;
};

}  // namespace ember::api

#endif  // EMBER_API_QUERY_H_
