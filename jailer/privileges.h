#ifndef EMBER_JAILER_PRIVILEGES_H_
#define EMBER_JAILER_PRIVILEGES_H_

#include "base/result.h"
#include "jailer/config.h"

namespace ember::jailer {

// Each acts on the calling process, which has one thread.

// Closes every descriptor above stderr.
Status CloseDescriptors();
// No descriptor limit of ours is raised: the default of 2048 is cut to the hard limit there is.
Status ApplyLimits(const Limits& limits);

// Who may set groups and users: root, but nobody in a user namespace with one mapping.
enum class Groups { kClear, kKeep };
// For good: no capability in any set, the owner's uid and gid alone, no_new_privs.
Status DropPrivileges(Owner owner, Groups groups);

}  // namespace ember::jailer

#endif  // EMBER_JAILER_PRIVILEGES_H_
