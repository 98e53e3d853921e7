#include "vmm/snapshot/snapshot_request.h"

#include <algorithm>

#include "base/concat.h"

namespace ember::vmm {
namespace {

Status OverrideInterface(VmConfig& config, const NetworkOverride& other) {
  auto& interfaces = config.network_interfaces;
  const auto found =
      std::ranges::find(interfaces, other.iface_id, &NetworkInterfaceConfig::iface_id);
  if (found == interfaces.end()) {
    return Error(Concat("Unknown Network Device: the snapshot has no iface_id ", other.iface_id));
  }
  NetworkInterfaceConfig interface = *found;
  interface.host_dev_name = other.host_dev_name;
  interface.tap_fd.reset();
  interface.socket_path.reset();
  TRY(Validate(interface));
  *found = std::move(interface);
  return {};
}

}  // namespace

Status Validate(const SnapshotCreation& creation) {
  if (creation.snapshot_path.empty()) return Error("snapshot_path is empty");
  if (creation.mem_file_path.empty()) return Error("mem_file_path is empty");
  if (creation.snapshot_path == creation.mem_file_path) {
    return Error(Concat("snapshot_path and mem_file_path are both ", creation.snapshot_path));
  }
  return {};
}

Status Validate(const SnapshotLoad& load) {
  if (load.snapshot_path.empty()) return Error("snapshot_path is empty");
  if (load.memory.backend_type == MemoryBackendType::kUffd) {
    return Error("backend_type Uffd is not in this version; File is");
  }
  if (load.memory.backend_path.empty()) return Error("backend_path is empty");
  if (load.huge_pages == HugePages::k2M) return Error("huge_pages 2M needs backend_type Uffd");
  return {};
}

Status Override(VmConfig& config, const SnapshotLoad& load) {
  config.boot_source.reset();
  config.machine.smt = false;
  config.machine.cpu_template = CpuTemplate::kNone;
  config.machine.track_dirty_pages = load.track_dirty_pages;
  if (load.huge_pages) config.machine.huge_pages = *load.huge_pages;
  for (const NetworkOverride& other : load.network_overrides) {
    TRY_CONTEXT(OverrideInterface(config, other), "network_overrides");
  }
  // Two that exchange their taps may meet on the way, so only the outcome is looked at.
  std::vector<NetworkInterfaceConfig> together;
  for (const NetworkInterfaceConfig& interface : config.network_interfaces) {
    TRY_CONTEXT(InsertNetworkInterface(together, interface), "network_overrides");
  }
  if (!load.vsock_override) return {};
  if (!config.vsock) return Error("vsock_override: Unknown Vsock Device: the snapshot has none");
  config.vsock->uds_path = load.vsock_override->uds_path;
  TRY_CONTEXT(Validate(*config.vsock), "vsock_override");
  return {};
}

}  // namespace ember::vmm
