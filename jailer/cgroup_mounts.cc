#include "jailer/cgroup_mounts.h"

#include <algorithm>
#include <array>
#include <utility>

#include "jailer/read_text.h"

namespace ember::jailer {
namespace {

// Options of a v1 hierarchy's mount that are no controllers (cgroups(7)).
constexpr std::array<std::string_view, 6> kOptions = {
    "rw", "ro", "noprefix", "xattr", "clone_children", "cpuset_v2_mode"};

// Up to `separator`, which is dropped; `text` keeps the rest.
std::string_view Take(std::string_view& text, char separator) {
  const size_t end = text.find(separator);
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return taken;
}

// mountinfo writes spaces and the like as \ and three octal digits.
std::string Unescape(std::string_view text) {
  std::string out;
  const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::ranges::all_of(text.substr(i + 1, 3), is_octal)) {
      const int code = (text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0');
      out += static_cast<char>(code);
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::vector<std::string> Controllers(std::string_view options) {
  std::vector<std::string> controllers;
  while (!options.empty()) {
    const std::string_view option = Take(options, ',');
    if (option.find('=') != std::string_view::npos) continue;  // name=, release_agent=
    if (std::ranges::find(kOptions, option) != kOptions.end()) continue;
    controllers.emplace_back(option);
  }
  return controllers;
}

}  // namespace

std::vector<CgroupMount> ParseCgroupMounts(std::string_view mountinfo) {
  std::vector<CgroupMount> mounts;
  while (!mountinfo.empty()) {
    std::string_view line = Take(mountinfo, '\n');
    for (int field = 0; field < 4; ++field) Take(line, ' ');  // id, parent, device, root
    const std::string_view path = Take(line, ' ');
    const size_t separator = line.find(" - ");
    if (separator == std::string_view::npos) continue;
    line.remove_prefix(separator + 3);
    const std::string_view type = Take(line, ' ');
    if (type != "cgroup" && type != "cgroup2") continue;
    Take(line, ' ');  // the source
    CgroupMount mount{.path = Unescape(path)};
    mount.version = type == "cgroup2" ? CgroupVersion::kV2 : CgroupVersion::kV1;
    if (mount.version == CgroupVersion::kV1) mount.controllers = Controllers(line);
    const bool known = std::ranges::any_of(mounts, [&mount](const CgroupMount& other) {
      return other.version == mount.version && other.controllers == mount.controllers &&
             (mount.version == CgroupVersion::kV2 || !mount.controllers.empty());
    });
    if (!known) mounts.push_back(std::move(mount));
  }
  return mounts;
}

Result<std::vector<CgroupMount>> ReadCgroupMounts() {
  return ParseCgroupMounts(TRY(ReadText("/proc/self/mountinfo")));
}

}  // namespace ember::jailer
