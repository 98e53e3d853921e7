#include "vmm/mmds/mmds.h"

#include <algorithm>

#include "base/concat.h"

namespace ember::vmm {

Status Validate(const MmdsConfig& mmds, const std::vector<NetworkInterfaceConfig>& interfaces) {
  if (mmds.network_interfaces.empty()) {
    return Error("The list of network interface IDs that allow forwarding MMDS requests is empty.");
  }
  for (const std::string& id : mmds.network_interfaces) {
    if (std::ranges::find(interfaces, id, &NetworkInterfaceConfig::iface_id) != interfaces.end()) {
      continue;
    }
    return Error(
        Concat("The list of network interface IDs provided contains at least one ID that does not "
               "correspond to any existing network interface: ",
               id));
  }
  if (!mmds.ipv4_address.IsLinkLocal()) {
    return Error(Concat("The MMDS IPv4 address is not link local: ipv4_address ",
                        mmds.ipv4_address.ToString(),
                        " is not within 169.254.1.0 to 169.254.254.255"));
  }
  return {};
}

}  // namespace ember::vmm
