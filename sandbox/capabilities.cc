#include "sandbox/capabilities.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace ember::sandbox {

Status DropBoundingSet() {
  // The kernel says where its numbers end; it may have more than our headers know.
  for (unsigned long capability = 0;; ++capability) {
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
    if (errno == EINVAL || errno == EPERM) return {};
    return Error::FromErrno("PR_CAPBSET_DROP");
  }
}

Status DropCapabilities() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  // With those that are permitted go the ambient ones.
  const std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none{};
  if (::syscall(SYS_capset, &header, none.data()) < 0) return Error::FromErrno("capset");
  return {};
}

}  // namespace ember::sandbox
