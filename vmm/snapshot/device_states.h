#ifndef EMBER_VMM_SNAPSHOT_DEVICE_STATES_H_
#define EMBER_VMM_SNAPSHOT_DEVICE_STATES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "memory/guest_address.h"
#include "virtio/balloon/balloon_state.h"
#include "virtio/console/console_state.h"
#include "virtio/mem/mem_state.h"
#include "virtio/net/net_state.h"
#include "virtio/saved_device.h"
#include "virtio/virtio_device.h"

// A machine's virtio devices in a snapshot. Plain data.
namespace ember::snapshot {
class Fields;
}

namespace ember::vmm {

// Memory that a device brought.
struct DeviceMemoryState {
  GuestAddress start{};
  uint64_t size_bytes = 0;
};

// A device: where it is on the board, what its driver has set up, and what it remembers itself,
// which devices of each type do in a way of their own.
struct VirtioState {
  uint32_t type = 0;  // virtio::DeviceId
  std::string id;     // that clients know it by; with the type, no two have the same
  GuestAddress address{};
  uint32_t gsi = 0;
  virtio::SavedMmio transport;

  std::optional<uint64_t> capacity_sectors;  // drives
  std::optional<DeviceMemoryState> memory;   // pmem
  std::optional<virtio::NetState> net;
  std::optional<virtio::BalloonState> balloon;
  std::optional<virtio::ConsoleState> console;
  std::optional<virtio::MemState> hotplug;
};

struct DeviceStates {
  std::vector<VirtioState> devices;

  // Null where there is none.
  const VirtioState* Find(virtio::DeviceId type, std::string_view id) const;
};

void Describe(snapshot::Fields& fields, DeviceMemoryState& memory);
void Describe(snapshot::Fields& fields, VirtioState& device);
void Describe(snapshot::Fields& fields, DeviceStates& devices);

}  // namespace ember::vmm

#endif  // EMBER_VMM_SNAPSHOT_DEVICE_STATES_H_
