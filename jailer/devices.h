#ifndef EMBER_JAILER_DEVICES_H_
#define EMBER_JAILER_DEVICES_H_

#include <optional>
#include <string_view>

#include "base/result.h"
#include "jailer/config.h"
#include "jailer/directory.h"

namespace ember::jailer {

// The devices of a jail: /dev/kvm, /dev/net/tun, /dev/urandom, and /dev/userfaultfd where the
// kernel has one. `dev` and `net` are the jail's directories of these names.

// Makes them as device nodes of the owner's, in place of what has their names.
Status MakeDevices(const Directory& dev, const Directory& net, Owner owner);
// Makes empty files, for the host's devices to be mounted on.
Status MakeDevicePlaces(const Directory& dev, const Directory& net);
// Mounts the host's devices on them. `root` is the jail as it is mounted; we have a mount namespace
// of our own.
Status BindDevices(const Directory& root);

// The number of a misc device in the text of /proc/misc ("126 userfaultfd"), if it is there.
std::optional<unsigned> MiscMinor(std::string_view misc, std::string_view name);

}  // namespace ember::jailer

#endif  // EMBER_JAILER_DEVICES_H_
