#include "api/protocol.h"

#include <algorithm>

namespace ember::api {
namespace {

char ToLower(char letter) {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

std::string_view WithoutSpace(std::string_view text) {
  constexpr std::string_view kSpace = " \t";
  const size_t begin = std::min(text.find_first_not_of(kSpace), text.size());
  text.remove_prefix(begin);
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

}  // namespace

std::string_view NameOf(Protocol protocol) {
  switch (protocol) {
    case Protocol::kConsole:
      return "ember-console/1";
    case Protocol::kLog:
      return "ember-log/1";
    case Protocol::kHttp:
      break;
  }
  return "HTTP/1.1";
}

Protocol ParseUpgrade(std::string_view list) {
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    const std::string_view name = WithoutSpace(list.substr(0, end));
    for (const Protocol ours : {Protocol::kConsole, Protocol::kLog}) {
      if (std::ranges::equal(name, NameOf(ours), {}, ToLower, ToLower)) return ours;
    }
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return Protocol::kHttp;
}

}  // namespace ember::api
