#include "virtio/vsock/connect_line.h"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <system_error>

#include "base/concat.h"

namespace ember::virtio {
namespace {

constexpr std::string_view kBlanks = " \t\r";
constexpr std::string_view kCommand = "CONNECT";

// The next word, taken off `text`; empty where there is none.
std::string_view TakeWord(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  const std::string_view word = text.substr(0, text.find_first_of(kBlanks));
  text.remove_prefix(word.size());
  return word;
}

}  // namespace

std::optional<uint32_t> ParseConnectLine(std::string_view line) {
  const std::string_view command = TakeWord(line);
  const std::string_view port_text = TakeWord(line);
  if (command.size() != kCommand.size() ||
      ::strncasecmp(command.data(), kCommand.data(), kCommand.size()) != 0 ||
      !TakeWord(line).empty()) {
    return std::nullopt;
  }
  uint32_t port = 0;
  const char* const end = port_text.data() + port_text.size();
  const auto [parsed_to, error] = std::from_chars(port_text.data(), end, port);
  if (port_text.empty() || error != std::errc() || parsed_to != end) return std::nullopt;
  return port;
}

std::string ConnectReply(uint32_t host_port) { return Concat("OK ", host_port, "\n"); }

}  // namespace ember::virtio
