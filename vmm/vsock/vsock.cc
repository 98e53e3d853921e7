#include "vmm/vsock/vsock.h"

#include "base/concat.h"

namespace ember::vmm {
namespace {

// 0, 1 and 2 are the hypervisor, the local loop and the host (virtio 1.2, 5.10.4).
constexpr uint32_t kMinGuestCid = 3;
// The longest path of a Unix socket.
constexpr size_t kMaxPathBytes = 107;

}  // namespace

Status Validate(const VsockConfig& vsock) {
  if (vsock.guest_cid < kMinGuestCid) {
    return Error(
        Concat("guest_cid ", vsock.guest_cid, " is below the least allowed, ", kMinGuestCid));
  }
  if (vsock.uds_path.empty()) return Error("uds_path is empty");
  if (vsock.uds_path.size() > kMaxPathBytes) {
    return Error(Concat("uds_path has ", vsock.uds_path.size(), " bytes, which exceeds the limit ",
                        kMaxPathBytes));
  }
  return {};
}

}  // namespace ember::vmm
