#include "vmm/snapshot/overrides.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/concat.h"

namespace ember::vmm {
namespace {

// The one of `list` with this id; an error in the contract's words for a `kind` of device.
template <typename Config>
Result<Config*> Find(std::vector<Config>& list, std::string Config::*id_of, const std::string& id,
                     std::string_view kind) {
  const auto found = std::ranges::find(list, id, id_of);
  if (found == list.end()) {
    return Error(Concat("Unknown ", kind, ": the snapshot has none of the id ", id));
  }
  return &*found;
}

template <typename T>
void Replace(T& field, const std::optional<T>& other) {
  if (other) field = *other;
}
template <typename T>
void Replace(std::optional<T>& field, const std::optional<T>& other) {
  if (other) field = other;
}

Status Apply(VmConfig& config, const NetworkOverride& other) {
  NetworkInterfaceConfig& interface =
      *TRY(Find(config.network_interfaces, &NetworkInterfaceConfig::iface_id, other.iface_id,
                "Network Device"));
  if (other.host_dev_name || other.tap_fd || other.socket_path) {
    interface.host_dev_name = other.host_dev_name;
    interface.tap_fd = other.tap_fd;
    interface.socket_path = other.socket_path;
  }
  Replace(interface.guest_mac, other.guest_mac);
  return Validate(interface);
}

// Two that exchange their taps may meet on the way, so only the outcome is looked at.
Status CheckTogether(const std::vector<NetworkInterfaceConfig>& interfaces) {
  std::vector<NetworkInterfaceConfig> together;
  for (const NetworkInterfaceConfig& interface : interfaces) {
    TRY(InsertNetworkInterface(together, interface));
  }
  return {};
}

Status Apply(VmConfig& config, const VsockOverride& other) {
  if (!config.vsock) return Error("Unknown Vsock Device: the snapshot has none");
  Replace(config.vsock->uds_path, other.uds_path);
  Replace(config.vsock->guest_cid, other.guest_cid);
  return Validate(*config.vsock);
}

Status Apply(VmConfig& config, const DriveOverride& other) {
  DriveConfig& drive = *TRY(Find(config.drives, &DriveConfig::drive_id, other.drive_id, "Drive"));
  Replace(drive.path_on_host, other.path_on_host);
  Replace(drive.overlay_path, other.overlay_path);
  return Validate(drive);
}

Status Apply(VmConfig& config, const PmemOverride& other) {
  PmemConfig& pmem = *TRY(Find(config.pmem, &PmemConfig::id, other.id, "Pmem Device"));
  pmem.path_on_host = other.path_on_host;
  return Validate(pmem);
}

Status Apply(VmConfig& config, const ConsoleOverride& other) {
  if (!config.console) return Error("Unknown Console: the snapshot has none");
  ConsolePortConfig& port =
      *TRY(Find(config.console->ports, &ConsolePortConfig::id, other.id, "Console Port"));
  Replace(port.socket_path, other.socket_path);
  Replace(port.output_path, other.output_path);
  return {};
}

template <typename List>
Status ApplyEach(VmConfig& config, const List& list, std::string_view field) {
  for (size_t i = 0; i < list.size(); ++i) {
    TRY_CONTEXT(Apply(config, list[i]), Concat(field, "[", i, "]"));
  }
  return {};
}

}  // namespace

Status Override(VmConfig& config, const Overrides& overrides) {
  TRY(ApplyEach(config, overrides.network, "network_overrides"));
  TRY_CONTEXT(CheckTogether(config.network_interfaces), "network_overrides");
  if (overrides.vsock) TRY_CONTEXT(Apply(config, *overrides.vsock), "vsock_override");
  TRY(ApplyEach(config, overrides.drives, "drive_overrides"));
  TRY(ApplyEach(config, overrides.pmem, "pmem_overrides"));
  TRY(ApplyEach(config, overrides.console, "console_overrides"));
  // Ports that exchange their paths, too, may meet on the way.
  if (config.console) TRY_CONTEXT(Validate(*config.console), "console_overrides");
  return {};
}

}  // namespace ember::vmm
