#include "vmm/net/network_interface_device.h"

#include <limits>
#include <utility>

#include "base/concat.h"
#include "virtio/net/metadata_backend.h"
#include "virtio/net/stream_link.h"
#include "virtio/net/tap.h"

namespace ember::vmm {
namespace {

static_assert(kMaxInterfaceQueuePairs <= virtio::NetDevice::kMaxQueuePairs);

Result<std::unique_ptr<virtio::NetBackend>> OpenBackend(const NetworkInterfaceConfig& interface) {
  if (interface.socket_path) return virtio::StreamLink::Connect(*interface.socket_path);
  if (!interface.tap_fd) {
    return virtio::Tap::Open(interface.host_dev_name.value_or(""), interface.queue_pairs);
  }
  if (*interface.tap_fd > static_cast<uint32_t>(std::numeric_limits<int>::max())) {
    return Error(Concat("tap_fd ", *interface.tap_fd, " is no descriptor"));
  }
  return virtio::Tap::Inherit(static_cast<int>(*interface.tap_fd));
}

}  // namespace

Result<std::unique_ptr<virtio::NetDevice>> CreateNetworkInterface(
    const NetworkInterfaceConfig& interface, const MetadataAccess& metadata,
    std::optional<virtio::NetState> state) {
  std::unique_ptr<virtio::NetBackend> backend = TRY(OpenBackend(interface));
  if (metadata.service != nullptr) {
    const mmds::Responder::Options options{.address = metadata.address, .mtu = interface.mtu};
    backend =
        std::make_unique<virtio::MetadataBackend>(std::move(backend), *metadata.service, options);
  }
  return virtio::NetDevice::Create(std::move(backend),
                                   {.interface_id = interface.iface_id,
                                    .address = interface.guest_mac,
                                    .mtu = interface.mtu,
                                    .receive_limits = ToOptions(interface.rx_rate_limiter),
                                    .transmit_limits = ToOptions(interface.tx_rate_limiter),
                                    .state = state});
}

}  // namespace ember::vmm
