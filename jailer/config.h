#ifndef EMBER_JAILER_CONFIG_H_
#define EMBER_JAILER_CONFIG_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ember::jailer {

// Whom files of a jail belong to, and as whom its VMM runs.
struct Owner {
  uid_t uid = 0;
  gid_t gid = 0;
};

// One `--cgroup FILE=VALUE`: what is written into a file of the machine's cgroup.
struct CgroupSetting {
  std::string file;
  std::string value;

  // What stands before the first dot: the controller; "cgroup" for files of the hierarchy itself.
  std::string_view controller() const { return std::string_view(file).substr(0, file.find('.')); }
};

enum class CgroupVersion { kV1, kV2 };

// Resource limits of the VMM, soft and hard. Absent: the caller's file size; 2048 descriptors, or
// the caller's limit where that is lower.
struct Limits {
  std::optional<uint64_t> file_size_bytes;
  std::optional<uint64_t> descriptors;
};

// Which jail: what names its directory and its cgroups.
struct JailName {
  std::string id;
  std::string exec_file;                        // as given
  std::string exec_name;                        // its last component
  std::string base = "/srv/jailer";             // --chroot-base-dir
  std::optional<std::string> parent_cgroup;     // absent: exec_name
  std::optional<CgroupVersion> cgroup_version;  // absent: as the host has it

  std::string_view parent() const { return parent_cgroup ? *parent_cgroup : exec_name; }
};

// What the command line asks for, checked: a plain value, constant after parsing.
struct Config {
  JailName name;
  Owner owner;
  std::optional<std::string> netns;
  bool daemonize = false;
  bool new_pid_ns = false;
  std::vector<CgroupSetting> cgroups;
  Limits limits;
  std::vector<std::string> vmm_arguments;
};

// Each checks one argument and touches nothing of the host; errors name what is wrong with it.

// 1 to 64 of [A-Za-z0-9-].
Status CheckId(std::string_view id);
// The last component of the path, which names the jail's parent directory.
Result<std::string> ExecName(std::string_view exec_file);
// A decimal uid or gid. 4294967295 is none: the kernel takes it for "leave it".
Result<uint32_t> ParseUserNumber(std::string_view text);
// "FILE=VALUE"; FILE is "controller.property", one component.
Result<CgroupSetting> ParseCgroupSetting(std::string_view text);
// A relative path without "." and "..".
Status CheckParentCgroup(std::string_view path);
Result<CgroupVersion> ParseCgroupVersion(std::string_view text);
// "fsize=N" or "no-file=N", into `limits`.
Result<Limits> WithLimit(Limits limits, std::string_view text);

}  // namespace ember::jailer

#endif  // EMBER_JAILER_CONFIG_H_
