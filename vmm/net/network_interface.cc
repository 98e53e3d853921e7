#include "vmm/net/network_interface.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/concat.h"
#include "vmm/resource_id.h"

namespace ember::vmm {
namespace {

template <typename T>
bool AreSame(const std::optional<T>& one, const std::optional<T>& other) {
  return one.has_value() && one == other;
}

Error InUse(std::string_view what, const NetworkInterfaceConfig& by) {
  return Error(Concat(what, " is already in use by ", by.iface_id));
}

Status CheckTogether(const NetworkInterfaceConfig& one, const NetworkInterfaceConfig& other) {
  if (AreSame(one.guest_mac, other.guest_mac)) {
    return InUse(Concat("guest_mac: The MAC address ", one.guest_mac->ToString()), other);
  }
  if (AreSame(one.host_dev_name, other.host_dev_name)) {
    return InUse(Concat("host_dev_name ", *one.host_dev_name), other);
  }
  if (AreSame(one.tap_fd, other.tap_fd)) return InUse(Concat("tap_fd ", *one.tap_fd), other);
  return {};
}

}  // namespace

Status Validate(const NetworkInterfaceConfig& interface) {
  TRY_CONTEXT(ValidateResourceId(interface.iface_id), "iface_id");
  const int back_ends = (interface.host_dev_name ? 1 : 0) + (interface.tap_fd ? 1 : 0) +
                        (interface.socket_path ? 1 : 0);
  if (back_ends == 0) return Error("missing field `host_dev_name`");
  if (back_ends > 1) {
    return Error(Concat("host_dev_name, tap_fd and socket_path: ", back_ends,
                        " of these are given, which exclude each other"));
  }
  if (interface.host_dev_name && interface.host_dev_name->empty()) {
    return Error("host_dev_name is empty");
  }
  if (interface.socket_path && interface.socket_path->empty()) {
    return Error("socket_path is empty");
  }
  if (interface.mtu && *interface.mtu < kMinMtu) {
    return Error(Concat("mtu ", *interface.mtu, " is below the least, ", kMinMtu));
  }
  if (interface.queue_pairs == 0) return Error("queue_pairs 0 is below the least, 1");
  const uint16_t limit = interface.host_dev_name ? kMaxInterfaceQueuePairs : 1;
  if (interface.queue_pairs > limit) {
    return Error(Concat("queue_pairs ", interface.queue_pairs, " exceeds the limit ", limit,
                        interface.host_dev_name ? "" : " of what is not a tap by name"));
  }
  return {};
}

Status InsertNetworkInterface(std::vector<NetworkInterfaceConfig>& interfaces,
                              NetworkInterfaceConfig interface) {
  for (const NetworkInterfaceConfig& other : interfaces) {
    if (other.iface_id != interface.iface_id) TRY(CheckTogether(interface, other));
  }
  const auto same =
      std::ranges::find(interfaces, interface.iface_id, &NetworkInterfaceConfig::iface_id);
  if (same != interfaces.end()) {
    *same = std::move(interface);
  } else {
    interfaces.push_back(std::move(interface));
  }
  return {};
}

}  // namespace ember::vmm
