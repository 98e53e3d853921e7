#include "virtio/saved_device.h"

#include <limits>

#include "snapshot/fields.h"
#include "virtio/device_state.h"

namespace ember::virtio {

void Describe(snapshot::Fields& fields, SavedQueue& queue) {
  uint64_t size = ToInteger(queue.config.size);
  fields.AddNumber("size", size, std::numeric_limits<uint16_t>::max());
  queue.config.size = QueueSize{static_cast<uint16_t>(size)};
  fields.Add("descriptors", queue.config.descriptors);
  fields.Add("available", queue.config.available);
  fields.Add("used", queue.config.used);
  fields.Add("ready", queue.config.ready);
  fields.Add("position", queue.position);
}

void Describe(snapshot::Fields& fields, SavedDevice& device) {
  fields.Add("status", device.status);
  fields.Add("config_generation", device.config_generation);
  fields.Add("driver_features", device.driver_features);
  fields.Add("unknown_feature_word", device.unknown_feature_word);
  fields.Add("queues", device.queues);
}

void Describe(snapshot::Fields& fields, SavedMmio& transport) {
  fields.Add("device", transport.device);
  fields.Add("interrupt_status", transport.interrupt_status);
  fields.Add("device_features_word", transport.device_features_word);
  fields.Add("driver_features_word", transport.driver_features_word);
  fields.Add("queue", transport.queue);
}

DeviceHold::DeviceHold(DeviceState& state) : state_(&state) { state_->Hold(); }

DeviceHold::~DeviceHold() {
  if (state_ != nullptr) state_->LetGo();
}

Result<SavedDevice> DeviceHold::Save() { return state_->SaveHeld(); }

}  // namespace ember::virtio
