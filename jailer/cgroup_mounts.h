#ifndef EMBER_JAILER_CGROUP_MOUNTS_H_
#define EMBER_JAILER_CGROUP_MOUNTS_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "jailer/config.h"

namespace ember::jailer {

// Where a hierarchy of cgroups is mounted. A v1 hierarchy lists its controllers; which of them a v2
// hierarchy has is a matter of each of its directories.
struct CgroupMount {
  std::string path;
  CgroupVersion version = CgroupVersion::kV1;
  std::vector<std::string> controllers;
};

// Those in the text of a mountinfo file (proc(5)), each hierarchy once.
std::vector<CgroupMount> ParseCgroupMounts(std::string_view mountinfo);
// Those of this process.
Result<std::vector<CgroupMount>> ReadCgroupMounts();

}  // namespace ember::jailer

#endif  // EMBER_JAILER_CGROUP_MOUNTS_H_
