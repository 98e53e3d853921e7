#ifndef EMBER_JAILER_NAMESPACES_H_
#define EMBER_JAILER_NAMESPACES_H_

#include <string>

#include "base/result.h"
#include "jailer/config.h"
#include "jailer/directory.h"

namespace ember::jailer {

// What a jail has a namespace of its own for. Each acts on the calling process, which has one
// thread.

// The network namespace at `path`.
Status JoinNetwork(const std::string& path);
// A mount namespace, whose mounts and the host's no longer reach each other. For root.
Status UnshareMounts();
// The same within a new user namespace, in which only the owner is mapped, to himself. For others;
// the error says what to do where the kernel forbids it.
Status UnshareUserAndMounts(Owner owner);

// Mounts the jail on itself, without the effect of set-user-ID bits; mounts that are in it come
// along. Returns it as mounted. In a mount namespace of our own.
Result<Directory> MountJail(const Directory& root);
// Makes it the root and the working directory; the rest of the host's files is out of reach.
Status EnterJail(const Directory& mounted_root);

}  // namespace ember::jailer

#endif  // EMBER_JAILER_NAMESPACES_H_
