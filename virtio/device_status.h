#ifndef EMBER_VIRTIO_DEVICE_STATUS_H_
#define EMBER_VIRTIO_DEVICE_STATUS_H_

#include <linux/virtio_config.h>

#include <cstdint>

// The bits of the status register (virtio 1.2, 2.1), as wide as it is.
namespace ember::virtio {

inline constexpr uint8_t kAcknowledge = VIRTIO_CONFIG_S_ACKNOWLEDGE;
inline constexpr uint8_t kDriver = VIRTIO_CONFIG_S_DRIVER;
inline constexpr uint8_t kFeaturesOk = VIRTIO_CONFIG_S_FEATURES_OK;
inline constexpr uint8_t kDriverOk = VIRTIO_CONFIG_S_DRIVER_OK;
inline constexpr uint8_t kNeedsReset = VIRTIO_CONFIG_S_NEEDS_RESET;
inline constexpr uint8_t kFailed = VIRTIO_CONFIG_S_FAILED;

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_DEVICE_STATUS_H_
