#include "api/query.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <system_error>

#include "base/concat.h"

namespace ember::api {
namespace {

// "`since` or `heartbeat`".
std::string Choice(std::span<const std::string_view> names) {
  std::string text;
  for (const std::string_view name : names) {
    text += Concat(text.empty() ? "`" : " or `", name, "`");
  }
  return text;
}

}  // namespace

Result<Query> Query::Parse(std::string_view text, std::span<const std::string_view> names) {
  Query query;
  while (!text.empty()) {
    const size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t equals = std::min(pair.find('='), pair.size());
    const std::string_view name = pair.substr(0, equals);
    if (std::ranges::find(names, name) == names.end()) {
      return Error(Concat("unknown query parameter `", name, "`, expected ", Choice(names)));
    }
    if (query.Text(name)) return Error(Concat("duplicate query parameter `", name, "`"));
    query.pairs_.emplace_back(name, pair.substr(std::min(equals + 1, pair.size())));
  }
  return query;
}

std::optional<std::string_view> Query::Text(std::string_view name) const {
  const auto found = std::ranges::find(pairs_, name, [](const auto& pair) { return pair.first; });
  if (found == pairs_.end()) return std::nullopt;
  return found->second;
}

Result<uint64_t> Query::Number(std::string_view name, uint64_t absent, uint64_t limit) const {
  const std::optional<std::string_view> text = Text(name);
  if (!text) return absent;
  uint64_t value = 0;
  const char* const end = text->data() + text->size();
  const auto [rest, error] = std::from_chars(text->data(), end, value);
  if (error == std::errc::invalid_argument || rest != end) {
    return Error(Concat(name, ": \"", *text, "\" is not a whole number"));
  }
  if (error == std::errc::result_out_of_range || value > limit) {
    return Error(Concat(name, " ", *text, " exceeds the limit ", limit));
  }
  return value;
}

}  // namespace ember::api
