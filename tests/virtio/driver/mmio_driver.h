#ifndef EMBER_TESTS_VIRTIO_DRIVER_MMIO_DRIVER_H_
#define EMBER_TESTS_VIRTIO_DRIVER_MMIO_DRIVER_H_

#include <cstdint>

#include "devices/bus_device.h"
#include "tests/virtio/driver/driver_ring.h"

namespace ember::virtio::testing {

// Offsets and bits as the specification prints them (virtio 1.2, 4.2.2 and 2.1).
namespace reg {
inline constexpr uint64_t kMagic = 0x000;
inline constexpr uint64_t kVersion = 0x004;
inline constexpr uint64_t kDeviceId = 0x008;
inline constexpr uint64_t kVendorId = 0x00c;
inline constexpr uint64_t kDeviceFeatures = 0x010;
inline constexpr uint64_t kDeviceFeaturesSel = 0x014;
inline constexpr uint64_t kDriverFeatures = 0x020;
inline constexpr uint64_t kDriverFeaturesSel = 0x024;
inline constexpr uint64_t kQueueSel = 0x030;
inline constexpr uint64_t kQueueNumMax = 0x034;
inline constexpr uint64_t kQueueNum = 0x038;
inline constexpr uint64_t kQueueReady = 0x044;
inline constexpr uint64_t kQueueNotify = 0x050;
inline constexpr uint64_t kInterruptStatus = 0x060;
inline constexpr uint64_t kInterruptAck = 0x064;
inline constexpr uint64_t kStatus = 0x070;
inline constexpr uint64_t kQueueDescLow = 0x080;
inline constexpr uint64_t kQueueDescHigh = 0x084;
inline constexpr uint64_t kQueueDriverLow = 0x090;
inline constexpr uint64_t kQueueDriverHigh = 0x094;
inline constexpr uint64_t kQueueDeviceLow = 0x0a0;
inline constexpr uint64_t kQueueDeviceHigh = 0x0a4;
inline constexpr uint64_t kShmSel = 0x0ac;
inline constexpr uint64_t kShmLenLow = 0x0b0;
inline constexpr uint64_t kShmLenHigh = 0x0b4;
inline constexpr uint64_t kShmBaseLow = 0x0b8;
inline constexpr uint64_t kShmBaseHigh = 0x0bc;
inline constexpr uint64_t kQueueReset = 0x0c0;
inline constexpr uint64_t kConfigGeneration = 0x0fc;
inline constexpr uint64_t kConfig = 0x100;
}  // namespace reg

inline constexpr uint32_t kAcknowledge = 1;
inline constexpr uint32_t kDriver = 2;
inline constexpr uint32_t kDriverOk = 4;
inline constexpr uint32_t kFeaturesOk = 8;
inline constexpr uint32_t kNeedsReset = 64;
inline constexpr uint32_t kFailed = 128;

inline constexpr uint64_t kIndirectFeature = uint64_t{1} << 28;
inline constexpr uint64_t kEventIndexFeature64 = uint64_t{1} << 29;
inline constexpr uint64_t kVersion1Feature = uint64_t{1} << 32;

// A driver's use of the registers. Any thread.
class MmioDriver {
 public:
  explicit MmioDriver(BusDevice& device) : device_(&device) {}

  uint32_t Read(uint64_t offset) const { return static_cast<uint32_t>(ReadWide(offset, 4)); }
  void Write(uint64_t offset, uint32_t value) const { WriteWide(offset, value, 4); }
  // 1, 2, 4 or 8 bytes.
  uint64_t ReadWide(uint64_t offset, size_t width) const;
  void WriteWide(uint64_t offset, uint64_t value, size_t width) const;

  uint32_t status() const { return Read(reg::kStatus); }
  void AddStatus(uint32_t bits) const { Write(reg::kStatus, status() | bits); }
  uint64_t DeviceFeatures() const;
  void WriteFeatures(uint64_t features) const;

  // ACKNOWLEDGE and DRIVER, from reset.
  void Acknowledge() const;
  // Acknowledge() to FEATURES_OK. Whether the device took them.
  bool Negotiate(uint64_t features) const;
  void ConfigureQueue(uint32_t index, const RingPlace& place) const;
  // ConfigureQueue() and QueueReady. Whether it became ready.
  bool EnableQueue(uint32_t index, const RingPlace& place) const;
  // From reset to DRIVER_OK with one queue.
  void Start(uint64_t features, const RingPlace& queue0) const;
  void Notify(uint32_t queue) const { Write(reg::kQueueNotify, queue); }

 private:
  BusDevice* device_;
};

}  // namespace ember::virtio::testing

#endif  // EMBER_TESTS_VIRTIO_DRIVER_MMIO_DRIVER_H_
