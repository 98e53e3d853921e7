#ifndef EMBER_KVM_IO_EVENT_H_
#define EMBER_KVM_IO_EVENT_H_

#include <cstdint>
#include <optional>

namespace ember::kvm {

enum class IoSpace { kMmio, kPio };

// A doorbell: guest writes that KVM turns into an eventfd signal without stopping the vCPU.
//
//   IoEvent{.address = base + 0x50, .size_bytes = 4, .value = queue}   // virtio-mmio QueueNotify
struct IoEvent {
  IoSpace space = IoSpace::kMmio;
  uint64_t address = 0;           // guest-physical, or a port number
  uint32_t size_bytes = 4;        // 1, 2, 4 or 8: only writes of this size ring
  std::optional<uint64_t> value;  // only writes of this value ring; any value where absent
};

}  // namespace ember::kvm

#endif  // EMBER_KVM_IO_EVENT_H_
