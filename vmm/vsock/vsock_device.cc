#include "vmm/vsock/vsock_device.h"

#include <sys/resource.h>

#include "base/log.h"

namespace ember::vmm {
namespace {

// Each connection takes a descriptor. The usual soft limit of 1024 is for programs that use
// select(), which this one does not; the hard limit holds. Once: when a machine is built again, the
// threads may not raise limits any more.
bool RaiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return true;
    EMBER_LOG(kWarning, "vsock: ", Error::FromErrno("setrlimit RLIMIT_NOFILE").message());
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<virtio::VsockDevice>> CreateVsock(const VsockConfig& vsock) {
  [[maybe_unused]] static const bool raised = RaiseDescriptorLimit();
  return virtio::VsockDevice::Create({.guest_cid = vsock.guest_cid, .uds_path = vsock.uds_path});
}

}  // namespace ember::vmm
