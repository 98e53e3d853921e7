#include "virtio/console/console_size.h"

#include <charconv>
#include <optional>
#include <system_error>

namespace ember::virtio {
namespace {

// The number that is the whole of `text`.
std::optional<uint16_t> ParseSide(std::string_view text) {
  uint16_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value == 0) return std::nullopt;
  return value;
}

}  // namespace

Result<ConsoleSize> ParseResizeLine(std::string_view line) {
  constexpr std::string_view kCommand = "resize ";
  if (!line.starts_with(kCommand)) return Error("unknown command, expected resize COLUMNS ROWS");
  line.remove_prefix(kCommand.size());
  const size_t space = line.find(' ');
  if (space != std::string_view::npos) {
    const std::optional<uint16_t> columns = ParseSide(line.substr(0, space));
    const std::optional<uint16_t> rows = ParseSide(line.substr(space + 1));
    if (columns && rows) return ConsoleSize{.columns = *columns, .rows = *rows};
  }
  return Error("expected resize COLUMNS ROWS, each from 1 to 65535");
}

}  // namespace ember::virtio
