#ifndef EMBER_VMM_VSOCK_VSOCK_DEVICE_H_
#define EMBER_VMM_VSOCK_VSOCK_DEVICE_H_

#include <memory>

#include "base/result.h"
#include "virtio/vsock/vsock_device.h"
#include "vmm/vsock/vsock.h"

namespace ember::vmm {

// The socket device, its socket listening. Raises the process's limit of descriptors as far as it
// may, because each connection takes one.
Result<std::unique_ptr<virtio::VsockDevice>> CreateVsock(const VsockConfig& vsock);

}  // namespace ember::vmm

#endif  // EMBER_VMM_VSOCK_VSOCK_DEVICE_H_
