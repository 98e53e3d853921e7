#ifndef EMBER_VMM_NET_NETWORK_INTERFACE_DEVICE_H_
#define EMBER_VMM_NET_NETWORK_INTERFACE_DEVICE_H_

#include <memory>
#include <optional>

#include "base/result.h"
#include "mmds/guest_service.h"
#include "mmds/ipv4_address.h"
#include "virtio/net/net_device.h"
#include "vmm/net/network_interface.h"

namespace ember::vmm {

// By what an interface leads to the metadata service; null where it does not.
struct MetadataAccess {
  mmds::GuestService* service = nullptr;  // outlives the device
  mmds::Ipv4Address address;
};

// The device of an interface, its tap attached or its peer connected.
Result<std::unique_ptr<virtio::NetDevice>> CreateNetworkInterface(
    const NetworkInterfaceConfig& interface, const MetadataAccess& metadata,
    std::optional<virtio::NetState> state = std::nullopt);

}  // namespace ember::vmm

#endif  // EMBER_VMM_NET_NETWORK_INTERFACE_DEVICE_H_
