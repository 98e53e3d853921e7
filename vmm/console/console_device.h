#ifndef EMBER_VMM_CONSOLE_CONSOLE_DEVICE_H_
#define EMBER_VMM_CONSOLE_CONSOLE_DEVICE_H_

#include <memory>
#include <optional>

#include "base/journal.h"
#include "base/result.h"
#include "virtio/console/console_device.h"
#include "vmm/console/console.h"

namespace ember::vmm {

// The device of a console, its sockets there and its files open. The journal hears
// of clients, and outlives it.
Result<std::unique_ptr<virtio::ConsoleDevice>> CreateConsole(
    const ConsoleConfig& console, Journal& journal,
    std::optional<virtio::ConsoleState> state = std::nullopt);

}  // namespace ember::vmm

#endif  // EMBER_VMM_CONSOLE_CONSOLE_DEVICE_H_
