#include "vmm/snapshot/describe_snapshot.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/concat.h"
#include "snapshot/fields.h"
#include "snapshot/state_file.h"
#include "vmm/snapshot/machine_state.h"
#include "vmm/snapshot/snapshot_files.h"

namespace ember::vmm {
namespace {

std::string VersionText(uint32_t version) { return Concat("v", version, ".0.0"); }

// As the API calls them.
std::string_view TypeName(uint32_t type) {
  switch (virtio::DeviceId{type}) {
    case virtio::DeviceId::kNet:
      return "network-interface";
    case virtio::DeviceId::kBlock:
      return "drive";
    case virtio::DeviceId::kConsole:
      return "console";
    case virtio::DeviceId::kRng:
      return "entropy";
    case virtio::DeviceId::kBalloon:
      return "balloon";
    case virtio::DeviceId::kVsock:
      return "vsock";
    case virtio::DeviceId::kMem:
      return "memory-hotplug";
    case virtio::DeviceId::kPmem:
      return "pmem";
  }
  return "device";
}

size_t CountPages(const DiffState& diff) {
  size_t count = 0;
  for (const std::vector<std::byte>& piece : diff.pages) {
    for (const std::byte bits : piece) {
      count += static_cast<size_t>(std::popcount(std::to_integer<uint8_t>(bits)));
    }
  }
  return count;
}

}  // namespace

std::string SnapshotVersion() { return VersionText(snapshot::kStateVersion); }

Result<std::string> DescribeSnapshot(const std::string& path) {
  const snapshot::StateFile file = TRY(snapshot::ReadStateFile(path));
  const SavedMachine state =
      TRY_CONTEXT(snapshot::FromTree<SavedMachine>(file.root, file.version), path);
  std::string text = Concat(VersionText(file.version), "\nname: ", ToText(state.name), "\n");
  if (state.parent) text += Concat("parent: ", ToText(*state.parent), "\n");
  if (state.diff) {
    text +=
        Concat("diff of: ", ToText(state.diff->base), "\npages: ", CountPages(*state.diff), "\n");
  }
  text += Concat("vcpus: ", state.vcpus.size(), "\n");
  for (const VirtioState& device : state.devices.devices) {
    text += Concat(TypeName(device.type), ": ", device.id, "\n");
  }
  text += Concat("config: ", state.config, "\n");
  return text;
}

}  // namespace ember::vmm
