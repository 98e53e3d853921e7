#include "jailer/cgroups.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/concat.h"
#include "base/fd.h"
#include "jailer/directory.h"
#include "jailer/read_text.h"

namespace ember::jailer {
namespace {

constexpr char kProcesses[] = "cgroup.procs";
constexpr char kSubtreeControl[] = "cgroup.subtree_control";
constexpr std::string_view kItself = "cgroup";  // "cgroup.freeze" and the like need no controller
constexpr std::chrono::milliseconds kPause{1};  // between looks at a cgroup that empties

std::vector<std::string> Components(std::string_view path) {
  std::vector<std::string> components;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    components.emplace_back(path.substr(0, slash));
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return components;
}

Status Write(const Directory& cgroup, const std::string& file, std::string_view value) {
  const Fd fd = TRY(cgroup.OpenFile(file, O_WRONLY | O_TRUNC));
  TRY_CONTEXT(WriteAll(fd, std::as_bytes(std::span(value))),
              Concat(cgroup.path(), "/", file, ": \"", value, "\""));
  return {};
}

Result<std::string> Read(const Directory& cgroup, const std::string& file) {
  const Fd fd = TRY(cgroup.OpenFile(file, O_RDONLY));
  return ReadText(fd, Concat(cgroup.path(), "/", file));
}

bool ListHas(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const size_t end = list.find_first_of(" \n");
    if (list.substr(0, end) == word) return true;
    list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
  }
  return false;
}

Status Enter(const Directory& cgroup) { return Write(cgroup, kProcesses, "0"); }

Status WriteSettings(const Directory& cgroup, std::span<const CgroupSetting> settings) {
  for (const CgroupSetting& setting : settings) {
    TRY_CONTEXT(Write(cgroup, setting.file, setting.value),
                Concat("--cgroup ", setting.file, "=", setting.value));
  }
  return {};
}

// A new v1 cpuset has no processors and no memory, and takes no process; it gets its parent's.
Status InheritCpuset(const Directory& parent, const Directory& child) {
  for (const char* file : {"cpuset.cpus", "cpuset.mems"}) {
    const std::string own = TRY(Read(child, file));
    if (own.find_first_not_of(" \n") != std::string::npos) continue;
    const std::string inherited = TRY(Read(parent, file));
    TRY(Write(child, file, inherited));
  }
  return {};
}

Status EnterV1(const CgroupMount& mount, const JailName& name,
               std::span<const CgroupSetting> settings) {
  const bool cpuset = std::ranges::find(mount.controllers, "cpuset") != mount.controllers.end();
  Directory cgroup = TRY(Directory::OpenPath(mount.path));
  for (const std::string& component : Components(Concat(name.parent(), "/", name.id))) {
    Directory child = TRY(cgroup.Make(component, 0755));
    if (cpuset) TRY(InheritCpuset(cgroup, child));
    cgroup = std::move(child);
  }
  TRY(WriteSettings(cgroup, settings));
  return Enter(cgroup);
}

// Lets the children of a v2 cgroup have the controllers.
Status EnableControllers(const Directory& cgroup, const std::set<std::string>& controllers) {
  if (controllers.empty()) return {};
  const std::string available = TRY(Read(cgroup, "cgroup.controllers"));
  const std::string enabled = TRY(Read(cgroup, kSubtreeControl));
  for (const std::string& controller : controllers) {
    if (ListHas(enabled, controller)) continue;
    if (!ListHas(available, controller)) {
      return Error(Concat("--cgroup: ", cgroup.path(), " has no controller \"", controller, "\""));
    }
    TRY_CONTEXT(Write(cgroup, kSubtreeControl, Concat("+", controller)), "--cgroup");
  }
  return {};
}

Status EnterV2(const CgroupMount& mount, const JailName& name,
               std::span<const CgroupSetting> settings) {
  std::set<std::string> controllers;
  for (const CgroupSetting& setting : settings) {
    if (setting.controller() != kItself) controllers.emplace(setting.controller());
  }
  Directory cgroup = TRY(Directory::OpenPath(mount.path));
  for (const std::string& component : Components(Concat(name.parent(), "/", name.id))) {
    TRY(EnableControllers(cgroup, controllers));
    cgroup = TRY(cgroup.Make(component, 0755));
  }
  TRY(WriteSettings(cgroup, settings));
  return Enter(cgroup);
}

Status EnterParent(const CgroupMount& mount, std::string_view parent) {
  Directory cgroup = TRY(Directory::OpenPath(mount.path));
  for (const std::string& component : Components(parent)) {
    cgroup = TRY_CONTEXT(cgroup.Open(component), "--parent-cgroup");
  }
  return Enter(cgroup);
}

const CgroupMount* FindV2(std::span<const CgroupMount> mounts) {
  const auto found = std::ranges::find(mounts, CgroupVersion::kV2, &CgroupMount::version);
  return found == mounts.end() ? nullptr : &*found;
}

Status EnterAllV1(const Config& config, std::span<const CgroupMount> mounts) {
  for (const CgroupSetting& setting : config.cgroups) {
    const bool found = std::ranges::any_of(mounts, [&setting](const CgroupMount& mount) {
      return std::ranges::find(mount.controllers, setting.controller()) != mount.controllers.end();
    });
    if (!found) {
      return Error(Concat("--cgroup ", setting.file,
                          ": no cgroup v1 hierarchy has the controller \"", setting.controller(),
                          "\""));
    }
  }
  for (const CgroupMount& mount : mounts) {
    std::vector<CgroupSetting> settings;
    std::ranges::copy_if(config.cgroups, std::back_inserter(settings),
                         [&mount](const CgroupSetting& setting) {
                           return std::ranges::find(mount.controllers, setting.controller()) !=
                                  mount.controllers.end();
                         });
    if (!settings.empty()) TRY(EnterV1(mount, config.name, settings));
  }
  return {};
}

// One hierarchy's cgroup of the machine; nothing where there is none.
Status RemoveIn(const CgroupMount& mount, const JailName& name,
                std::chrono::milliseconds patience) {
  Result<Directory> parent = Directory::OpenPath(mount.path);
  for (const std::string& component : Components(name.parent())) {
    if (parent) parent = parent->Open(component);
  }
  if (!parent && parent.error().error_number() == ENOENT) return {};
  if (!parent) return std::move(parent).error();
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    Status removed = parent->RemoveDirectory(name.id);
    if (removed || removed.error().error_number() != EBUSY ||
        std::chrono::steady_clock::now() >= deadline) {
      return removed;
    }
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace

CgroupVersion VersionOf(const JailName& name, std::span<const CgroupMount> mounts) {
  if (name.cgroup_version) return *name.cgroup_version;
  const bool v1 = std::ranges::any_of(
      mounts, [](const CgroupMount& mount) { return !mount.controllers.empty(); });
  return v1 ? CgroupVersion::kV1 : CgroupVersion::kV2;
}

Status EnterCgroups(const Config& config, std::span<const CgroupMount> mounts) {
  const CgroupVersion version = VersionOf(config.name, mounts);
  if (version == CgroupVersion::kV1) return EnterAllV1(config, mounts);
  if (config.cgroups.empty() && !config.name.parent_cgroup) return {};
  const CgroupMount* mount = FindV2(mounts);
  if (mount == nullptr) return Error("--cgroup: no cgroup v2 hierarchy is mounted");
  if (config.cgroups.empty()) return EnterParent(*mount, config.name.parent());
  return EnterV2(*mount, config.name, config.cgroups);
}

Status RemoveCgroups(const JailName& name, std::span<const CgroupMount> mounts,
                     std::chrono::milliseconds patience) {
  for (const CgroupMount& mount : mounts) {
    if (name.cgroup_version && *name.cgroup_version != mount.version) continue;
    TRY(RemoveIn(mount, name, patience));
  }
  return {};
}

}  // namespace ember::jailer
