#include "vmm/console/console_device.h"

#include <utility>

namespace ember::vmm {

static_assert(kMaxConsolePorts == virtio::ConsoleDevice::kMaxPorts);
static_assert(kMaxPortIdBytes == virtio::Multiport::kMaxNameBytes);

Result<std::unique_ptr<virtio::ConsoleDevice>> CreateConsole(
    const ConsoleConfig& console, Journal& journal, std::optional<virtio::ConsoleState> state) {
  virtio::ConsoleDevice::Options options;
  for (const ConsolePortConfig& port : console.ports) {
    options.ports.push_back({.name = port.id,
                             .socket_path = port.socket_path,
                             .is_console = port.is_console,
                             .log_bytes = port.log_bytes,
                             .output_path = port.output_path,
                             .journal = &journal});
  }
  options.resize_order = console.resize_order == ConsoleResizeOrder::kRowsFirst
                             ? virtio::ResizeOrder::kRowsFirst
                             : virtio::ResizeOrder::kColumnsFirst;
  options.state = std::move(state);
  return virtio::ConsoleDevice::Create(options);
}

}  // namespace ember::vmm
