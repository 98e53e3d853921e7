#include "vmm/console/console.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "base/concat.h"

namespace ember::vmm {
namespace {

bool IsIdLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

Status ValidateId(std::string_view id) {
  if (id.empty() || !std::ranges::all_of(id, IsIdLetter)) {
    return Error(Concat("id \"", id, "\" is not of letters, digits, '_', '-' and '.'"));
  }
  if (id.size() > kMaxPortIdBytes) {
    return Error(Concat("id has ", id.size(), " bytes, which exceeds the limit ", kMaxPortIdBytes));
  }
  return {};
}

Status Validate(const ConsolePortConfig& port) {
  TRY(ValidateId(port.id));
  if (port.socket_path.empty()) return Error("socket_path is empty");
  if (port.socket_path.size() > kMaxConsolePathBytes) {
    return Error(Concat("socket_path has ", port.socket_path.size(),
                        " bytes, which exceeds the limit ", kMaxConsolePathBytes));
  }
  if (port.log_bytes > kMaxConsoleLogBytes) {
    return Error(Concat("log_bytes ", port.log_bytes, " exceeds the limit ", kMaxConsoleLogBytes));
  }
  if (port.output_path && port.output_path->empty()) return Error("output_path is empty");
  return {};
}

}  // namespace

Status Validate(const ConsoleConfig& console) {
  if (console.ports.empty()) return Error("ports is empty");
  if (console.ports.size() > kMaxConsolePorts) {
    return Error(Concat("ports has ", console.ports.size(), " entries, which exceeds the limit ",
                        kMaxConsolePorts));
  }
  std::set<std::string> ids, paths;
  for (size_t i = 0; i < console.ports.size(); ++i) {
    const ConsolePortConfig& port = console.ports[i];
    const std::string where = Concat("ports[", i, "]");
    TRY_CONTEXT(Validate(port), where);
    if (!ids.insert(port.id).second) {
      return Error(Concat(where, ": id ", port.id, " is another port's"));
    }
    for (const std::string& path : {port.socket_path, Concat(port.socket_path, ".ctl")}) {
      if (!paths.insert(path).second) {
        return Error(Concat(where, ": socket_path ", path, " is another port's"));
      }
    }
  }
  return {};
}

Status Validate(const ConsoleResize& resize) {
  if (resize.columns == 0) return Error("columns is 0, which is below 1");
  if (resize.rows == 0) return Error("rows is 0, which is below 1");
  return {};
}

}  // namespace ember::vmm
