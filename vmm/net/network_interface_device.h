#ifndef EMBER_VMM_NET_NETWORK_INTERFACE_DEVICE_H_
#define EMBER_VMM_NET_NETWORK_INTERFACE_DEVICE_H_

#include <memory>

#include "base/result.h"
#include "virtio/net/net_device.h"
#include "vmm/net/network_interface.h"

namespace ember::vmm {

// The device of an interface, its tap attached or its peer connected.
Result<std::unique_ptr<virtio::NetDevice>> CreateNetworkInterface(
    const NetworkInterfaceConfig& interface);

}  // namespace ember::vmm

#endif  // EMBER_VMM_NET_NETWORK_INTERFACE_DEVICE_H_
