#include "vmm/kernel_command_line.h"

#include <optional>
#include <string_view>

#include "base/concat.h"
#include "firmware/command_line.h"

namespace ember::vmm {
namespace {

// Of the drives, only the first can be the root device.
std::optional<std::string> RootDeviceWords(const VmConfig& config) {
  if (config.drives.empty() || !config.drives.front().is_root_device) {
    return RootWords(config.pmem);
  }
  const DriveConfig& root = config.drives.front();
  const std::string device =
      root.partuuid ? Concat("PARTUUID=", *root.partuuid) : std::string("/dev/vda");
  return Concat("root=", device, root.is_read_only ? " ro" : " rw");
}

}  // namespace

std::string KernelCommandLine(const VmConfig& config) {
  const std::string_view line = BootArgs(*config.boot_source);
  const std::optional<std::string> root = RootDeviceWords(config);
  return root ? firmware::AppendWord(line, *root) : std::string(line);
}

}  // namespace ember::vmm
