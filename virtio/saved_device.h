#ifndef EMBER_VIRTIO_SAVED_DEVICE_H_
#define EMBER_VIRTIO_SAVED_DEVICE_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "base/result.h"
#include "virtio/queue_layout.h"

// What a driver has set up of a device, for a snapshot. Plain data.
namespace ember::snapshot {
class Fields;
}

namespace ember::virtio {

class DeviceState;

struct SavedQueue {
  QueueConfig config;
  // How many chains were taken, all of them given back, modulo 2^16.
  uint16_t position = 0;
};

// Of a device behind whatever transport.
struct SavedDevice {
  uint8_t status = 0;  // the register's bits (virtio 1.2, 2.1)
  uint32_t config_generation = 0;
  uint64_t driver_features = 0;
  bool unknown_feature_word = false;  // the driver asked for a feature above 63
  std::vector<SavedQueue> queues;     // all that the device has
};

// Of the MMIO transport.
struct SavedMmio {
  SavedDevice device;
  uint32_t interrupt_status = 0;
  uint32_t device_features_word = 0;  // the selectors
  uint32_t driver_features_word = 0;
  uint32_t queue = 0;
};

void Describe(snapshot::Fields& fields, SavedQueue& queue);
void Describe(snapshot::Fields& fields, SavedDevice& device);
void Describe(snapshot::Fields& fields, SavedMmio& transport);

// Holds a device still for as long as this lives: its thread, vCPUs and clients wait at its mutex,
// so that guest memory can be copied meanwhile. Move-only; made, used and destroyed on one thread,
// which calls nothing of that DeviceState that takes its mutex.
class DeviceHold {
 public:
  explicit DeviceHold(DeviceState& state);
  DeviceHold(DeviceHold&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  DeviceHold& operator=(DeviceHold&&) = delete;
  ~DeviceHold();

  // Brings the device to rest (VirtioDevice::ComeToRest()) and says what its driver has set up.
  // Errors name the device.
  Result<SavedDevice> Save();

 private:
  DeviceState* state_;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_SAVED_DEVICE_H_
