#ifndef EMBER_FIRMWARE_FDT_H_
#define EMBER_FIRMWARE_FDT_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "firmware/platform.h"
#include "memory/guest_address.h"

namespace ember::firmware {

// What /chosen says.
struct DeviceTreeOptions {
  std::string command_line;
  std::optional<GuestRange> initrd;
};

// The platform as a flattened device tree: memory, processors, interrupt controllers, virtio-mmio
// devices, and what ports the architecture has bindings for. Pure; any thread. The error is
// libfdt's.
Result<std::vector<std::byte>> BuildDeviceTree(const Platform& platform,
                                               const DeviceTreeOptions& options);

}  // namespace ember::firmware

#endif  // EMBER_FIRMWARE_FDT_H_
