#include "vmm/config_json_writer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace ember::vmm {

void AppendJsonString(std::string& out, std::string_view text) {
  const bool plain = std::ranges::all_of(
      text, [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
  if (plain) {
    out += '"';
    out += text;
    out += '"';
    return;
  }
  using Json = nlohmann::json;
  out += Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace ember::vmm
