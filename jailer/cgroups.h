#ifndef EMBER_JAILER_CGROUPS_H_
#define EMBER_JAILER_CGROUPS_H_

#include <chrono>
#include <span>
#include <vector>

#include "base/result.h"
#include "jailer/cgroup_mounts.h"
#include "jailer/config.h"

namespace ember::jailer {

// The machine's cgroups: <hierarchy>/<parent>/<id>, in each hierarchy that a setting needs. Without
// settings there are none, but with v2 and a parent that was named, the process goes into that one,
// which must be there.

// The version that a jail has: the one asked for, else v1 where a v1 hierarchy with controllers is
// mounted, else v2.
CgroupVersion VersionOf(const JailName& name, std::span<const CgroupMount> mounts);

// Makes them, writes each setting, and moves this process in. The error names the setting, the
// controller or the path.
Status EnterCgroups(const Config& config, std::span<const CgroupMount> mounts);

// Removes the machine's cgroups from every hierarchy, or from those of the version asked for.
// Processes that are ending are waited for, `patience` at most. The parents stay: others share
// them.
Status RemoveCgroups(const JailName& name, std::span<const CgroupMount> mounts,
                     std::chrono::milliseconds patience);

}  // namespace ember::jailer

#endif  // EMBER_JAILER_CGROUPS_H_
