#ifndef EMBER_VMM_SNAPSHOT_OVERRIDES_H_
#define EMBER_VMM_SNAPSHOT_OVERRIDES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/mac_address.h"
#include "base/result.h"
#include "vmm/config.h"

// What is to be other in a copy of a machine than in the machine that was saved, as clients say it.
// Plain data; what is absent stays as it was.
namespace ember::vmm {

struct NetworkOverride {
  std::string iface_id;
  // One of these at most, in place of whatever it had. The last two are ours.
  std::optional<std::string> host_dev_name;
  std::optional<uint32_t> tap_fd;
  std::optional<std::string> socket_path;
  std::optional<MacAddress> guest_mac;  // ours

  friend bool operator==(const NetworkOverride&, const NetworkOverride&) = default;
};

struct VsockOverride {
  std::optional<std::string> uds_path;
  std::optional<uint32_t> guest_cid;  // ours

  friend bool operator==(const VsockOverride&, const VsockOverride&) = default;
};

// Ours, as all from here on.
struct DriveOverride {
  std::string drive_id;
  std::optional<std::string> path_on_host;
  std::optional<std::string> overlay_path;

  friend bool operator==(const DriveOverride&, const DriveOverride&) = default;
};

struct PmemOverride {
  std::string id;
  std::string path_on_host;  // of a file of the same size

  friend bool operator==(const PmemOverride&, const PmemOverride&) = default;
};

// Of a port of the virtio console.
struct ConsoleOverride {
  std::string id;
  std::optional<std::string> socket_path;
  std::optional<std::string> output_path;

  friend bool operator==(const ConsoleOverride&, const ConsoleOverride&) = default;
};

struct Overrides {
  std::vector<NetworkOverride> network;
  std::optional<VsockOverride> vsock;
  std::vector<DriveOverride> drives;
  std::vector<PmemOverride> pmem;
  std::vector<ConsoleOverride> console;

  friend bool operator==(const Overrides&, const Overrides&) = default;
};

// Makes the configuration of a machine that was saved that of its copy, and checks the outcome. An
// error names the override and what of it is not there or cannot be; `config` is then of no use.
Status Override(VmConfig& config, const Overrides& overrides);

}  // namespace ember::vmm

#endif  // EMBER_VMM_SNAPSHOT_OVERRIDES_H_
