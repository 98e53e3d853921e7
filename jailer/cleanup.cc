#include "jailer/cleanup.h"

#include <chrono>
#include <optional>
#include <vector>

#include "jailer/cgroup_mounts.h"
#include "jailer/cgroups.h"
#include "jailer/layout.h"

namespace ember::jailer {
namespace {

// How long a process that was killed may take to leave its cgroup: it gives its memory back first.
constexpr std::chrono::milliseconds kPatience{5000};

}  // namespace

Status CleanUp(const JailName& name) {
  const std::optional<ClaimedJail> jail = TRY(ClaimExistingJail(name));
  if (jail) TRY(jail->machine.RemoveTree("root"));
  const std::vector<CgroupMount> mounts = TRY(ReadCgroupMounts());
  TRY(RemoveCgroups(name, mounts, kPatience));
  if (!jail) return {};
  // Last, the lock with its directory. A jailer that waits for neither notices that they are gone.
  TRY(jail->machine.Remove("lock"));
  return jail->machines.RemoveDirectory(name.id);
}

}  // namespace ember::jailer
