#include "tests/virtio/driver/mmio_driver.h"

#include <array>
#include <cstring>
#include <span>

namespace ember::virtio::testing {

uint64_t MmioDriver::ReadWide(uint64_t offset, size_t width) const {
  std::array<std::byte, 8> bytes{};
  device_->Read(offset, std::span(bytes).first(width));
  uint64_t value;
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

void MmioDriver::WriteWide(uint64_t offset, uint64_t value, size_t width) const {
  std::array<std::byte, 8> bytes;
  std::memcpy(bytes.data(), &value, sizeof(value));
  device_->Write(offset, std::span<const std::byte>(bytes).first(width));
}

uint64_t MmioDriver::DeviceFeatures() const {
  Write(reg::kDeviceFeaturesSel, 0);
  const uint64_t low = Read(reg::kDeviceFeatures);
  Write(reg::kDeviceFeaturesSel, 1);
  return low | uint64_t{Read(reg::kDeviceFeatures)} << 32;
}

void MmioDriver::WriteFeatures(uint64_t features) const {
  Write(reg::kDriverFeaturesSel, 0);
  Write(reg::kDriverFeatures, static_cast<uint32_t>(features));
  Write(reg::kDriverFeaturesSel, 1);
  Write(reg::kDriverFeatures, static_cast<uint32_t>(features >> 32));
}

void MmioDriver::Acknowledge() const {
  Write(reg::kStatus, 0);
  AddStatus(kAcknowledge);
  AddStatus(kDriver);
}

bool MmioDriver::Negotiate(uint64_t features) const {
  Acknowledge();
  WriteFeatures(features);
  AddStatus(kFeaturesOk);
  return (status() & kFeaturesOk) != 0;
}

void MmioDriver::ConfigureQueue(uint32_t index, const RingPlace& place) const {
  const auto write_address = [this](uint64_t offset, GuestAddress at) {
    Write(offset, static_cast<uint32_t>(ToInteger(at)));
    Write(offset + 4, static_cast<uint32_t>(ToInteger(at) >> 32));
  };
  Write(reg::kQueueSel, index);
  Write(reg::kQueueNum, place.size);
  write_address(reg::kQueueDescLow, place.descriptors);
  write_address(reg::kQueueDriverLow, place.available);
  write_address(reg::kQueueDeviceLow, place.used);
}

bool MmioDriver::EnableQueue(uint32_t index, const RingPlace& place) const {
  ConfigureQueue(index, place);
  Write(reg::kQueueReady, 1);
  return Read(reg::kQueueReady) == 1;
}

void MmioDriver::Start(uint64_t features, const RingPlace& queue0) const {
  Negotiate(features);
  EnableQueue(0, queue0);
  AddStatus(kDriverOk);
}

}  // namespace ember::virtio::testing
