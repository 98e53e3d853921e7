#include "vmm/vsock/vsock_device.h"

#include <sys/resource.h>

#include "base/log.h"

namespace ember::vmm {
namespace {

// Each connection takes a descriptor. The usual soft limit of 1024 is for programs that use
// select(), which this one does not; the hard limit holds.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return;
    EMBER_LOG(kWarning, "vsock: ", Error::FromErrno("setrlimit RLIMIT_NOFILE").message());
  }
}

}  // namespace

Result<std::unique_ptr<virtio::VsockDevice>> CreateVsock(const VsockConfig& vsock) {
  RaiseDescriptorLimit();
  return virtio::VsockDevice::Create({.guest_cid = vsock.guest_cid, .uds_path = vsock.uds_path});
}

}  // namespace ember::vmm
