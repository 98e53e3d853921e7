#include "jailer/config.h"

#include <algorithm>
#include <charconv>

#include "base/concat.h"

namespace ember::jailer {
namespace {

constexpr size_t kMaxIdBytes = 64;

bool IsIdLetter(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

template <typename T>
std::optional<T> ParseNumber(std::string_view text) {
  T number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool IsComponent(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

}  // namespace

Status CheckId(std::string_view id) {
  if (id.empty()) return Error("--id may not be empty");
  if (id.size() > kMaxIdBytes) {
    return Error(Concat("--id of ", id.size(), " bytes exceeds the limit ", kMaxIdBytes));
  }
  if (!std::ranges::all_of(id, IsIdLetter)) {
    return Error(Concat("--id \"", id, "\" may hold only letters, digits and '-'"));
  }
  return {};
}

Result<std::string> ExecName(std::string_view exec_file) {
  const size_t slash = exec_file.rfind('/');
  const std::string_view name =
      slash == std::string_view::npos ? exec_file : exec_file.substr(slash + 1);
  if (!IsComponent(name)) {
    return Error(Concat("--exec-file \"", exec_file, "\" does not name a file"));
  }
  return std::string(name);
}

Result<uint32_t> ParseUserNumber(std::string_view text) {
  const std::optional<uint32_t> number = ParseNumber<uint32_t>(text);
  if (!number || *number == UINT32_MAX) {
    return Error(Concat("\"", text, "\" is not a number from 0 to ", UINT32_MAX - 1));
  }
  return *number;
}

Result<CgroupSetting> ParseCgroupSetting(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals + 1 == text.size()) {
    return Error(Concat("--cgroup \"", text, "\" is not FILE=VALUE"));
  }
  const std::string_view file = text.substr(0, equals);
  const size_t dot = file.find('.');
  if (!IsComponent(file) || dot == 0 || dot == std::string_view::npos || dot + 1 == file.size()) {
    return Error(Concat("--cgroup file \"", file, "\" is not CONTROLLER.PROPERTY"));
  }
  return CgroupSetting{.file = std::string(file), .value = std::string(text.substr(equals + 1))};
}

Status CheckParentCgroup(std::string_view path) {
  size_t at = 0;
  while (true) {
    const size_t slash = path.find('/', at);
    if (!IsComponent(path.substr(at, slash - at))) {
      return Error(Concat("--parent-cgroup \"", path,
                          "\" is not a relative path of names other than \".\" and \"..\""));
    }
    if (slash == std::string_view::npos) return {};
    at = slash + 1;
  }
}

Result<CgroupVersion> ParseCgroupVersion(std::string_view text) {
  if (text == "1") return CgroupVersion::kV1;
  if (text == "2") return CgroupVersion::kV2;
  return Error(Concat("--cgroup-version \"", text, "\" is neither 1 nor 2"));
}

Result<Limits> WithLimit(Limits limits, std::string_view text) {
  const size_t equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  if (equals == std::string_view::npos || (name != "fsize" && name != "no-file")) {
    return Error(Concat("--resource-limit \"", text, "\" is neither fsize=N nor no-file=N"));
  }
  const std::optional<uint64_t> value = ParseNumber<uint64_t>(text.substr(equals + 1));
  if (!value) {
    return Error(Concat("--resource-limit ", name, ": \"", text.substr(equals + 1),
                        "\" is not a number from 0 to ", UINT64_MAX));
  }
  (name == "fsize" ? limits.file_size_bytes : limits.descriptors) = *value;
  return limits;
}

}  // namespace ember::jailer
