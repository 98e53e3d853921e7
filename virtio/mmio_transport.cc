#include "virtio/mmio_transport.h"

#include <utility>

#include "base/concat.h"
#include "base/endian.h"

namespace ember::virtio {
namespace {

constexpr uint32_t kMagic = 0x74726976;  // "virt"
constexpr uint32_t kVersion = 2;
constexpr uint32_t kVendorId = 0x52424d45;        // "EMBR"
constexpr uint32_t kNoSharedMemory = 0xffffffff;  // virtio 1.2, 4.2.2: no such region

constexpr uint64_t kRegisterBytes = 4;

constexpr auto kRelaxed = std::memory_order_relaxed;

bool IsWholeRegister(uint64_t offset, size_t len) {
  return len == kRegisterBytes && offset % kRegisterBytes == 0;
}

}  // namespace

Result<std::shared_ptr<MmioTransport>> MmioTransport::Create(VirtioDevice& device,
                                                             const GuestMemory& memory,
                                                             InterruptLine& line) {
  std::shared_ptr<MmioTransport> transport(new MmioTransport(device, line));
  transport->state_ = TRY(DeviceState::Create(device, memory, transport->interrupt_));
  return transport;
}

MmioTransport::MmioTransport(VirtioDevice& device, InterruptLine& line)
    : name_(Concat("virtio-mmio ", device.name())), interrupt_(line) {}

Result<SavedMmio> MmioTransport::Save(DeviceHold& hold) const {
  // First, because in coming to rest the device interrupts its driver.
  SavedDevice device = TRY(hold.Save());
  return SavedMmio{.device = std::move(device),
                   .interrupt_status = interrupt_.status(),
                   .device_features_word = device_features_word_.load(kRelaxed),
                   .driver_features_word = driver_features_word_.load(kRelaxed),
                   .queue = queue_.load(kRelaxed)};
}

Status MmioTransport::Restore(const SavedMmio& saved) {
  device_features_word_.store(saved.device_features_word, kRelaxed);
  driver_features_word_.store(saved.driver_features_word, kRelaxed);
  queue_.store(saved.queue, kRelaxed);
  // Before the device, which may have causes of its own to add.
  interrupt_.Restore(saved.interrupt_status);
  return state_->Restore(saved.device);
}

void MmioTransport::Read(uint64_t offset, std::span<std::byte> out) {
  if (offset >= VIRTIO_MMIO_CONFIG) return state_->ReadConfig(offset - VIRTIO_MMIO_CONFIG, out);
  if (!IsWholeRegister(offset, out.size())) return state_->CountIgnoredAccess();
  StoreLe(ReadRegister(offset), out);
}

void MmioTransport::Write(uint64_t offset, std::span<const std::byte> in) {
  if (offset >= VIRTIO_MMIO_CONFIG) return state_->WriteConfig(offset - VIRTIO_MMIO_CONFIG, in);
  if (!IsWholeRegister(offset, in.size())) return state_->CountIgnoredAccess();
  WriteRegister(offset, LoadLe<uint32_t>(in));
}

uint32_t MmioTransport::ReadRegister(uint64_t offset) {
  switch (offset) {
    case VIRTIO_MMIO_MAGIC_VALUE:
      return kMagic;
    case VIRTIO_MMIO_VERSION:
      return kVersion;
    case VIRTIO_MMIO_DEVICE_ID:
      return static_cast<uint32_t>(state_->device().id());
    case VIRTIO_MMIO_VENDOR_ID:
      return kVendorId;
    case VIRTIO_MMIO_DEVICE_FEATURES:
      return state_->DeviceFeatures(device_features_word_.load(kRelaxed));
    case VIRTIO_MMIO_QUEUE_NUM_MAX:
      return state_->MaxQueueSize(queue_.load(kRelaxed));
    case VIRTIO_MMIO_QUEUE_READY:
      return state_->QueueReady(queue_.load(kRelaxed)) ? 1 : 0;
    case VIRTIO_MMIO_INTERRUPT_STATUS:
      return interrupt_.status();
    case VIRTIO_MMIO_STATUS:
      return state_->status();
    case VIRTIO_MMIO_SHM_LEN_LOW:
    case VIRTIO_MMIO_SHM_LEN_HIGH:
    case VIRTIO_MMIO_SHM_BASE_LOW:
    case VIRTIO_MMIO_SHM_BASE_HIGH:
      return kNoSharedMemory;
    case VIRTIO_MMIO_CONFIG_GENERATION:
      return state_->config_generation();
    default:
      state_->CountIgnoredAccess();
      return 0;
  }
}

void MmioTransport::WriteRegister(uint64_t offset, uint32_t value) {
  switch (offset) {
    case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
      return device_features_word_.store(value, kRelaxed);
    case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
      return driver_features_word_.store(value, kRelaxed);
    case VIRTIO_MMIO_DRIVER_FEATURES:
      return state_->WriteDriverFeatures(driver_features_word_.load(kRelaxed), value);
    case VIRTIO_MMIO_QUEUE_SEL:
      return queue_.store(value, kRelaxed);
    case VIRTIO_MMIO_QUEUE_NOTIFY:
      return state_->Notify(value);
    case VIRTIO_MMIO_INTERRUPT_ACK:
      return interrupt_.Acknowledge(value);
    case VIRTIO_MMIO_STATUS:
      return state_->WriteStatus(value);
    case VIRTIO_MMIO_SHM_SEL:
      return;  // no region, whichever it is
    default:
      if (!WriteQueueRegister(offset, value)) state_->CountIgnoredAccess();
  }
}

bool MmioTransport::WriteQueueRegister(uint64_t offset, uint32_t value) {
  const uint32_t queue = queue_.load(kRelaxed);
  const auto write_address = [&](QueueArea area, AddressHalf half) {
    state_->WriteQueueAddress(queue, area, half, value);
    return true;
  };
  switch (offset) {
    case VIRTIO_MMIO_QUEUE_NUM:
      state_->WriteQueueSize(queue, value);
      return true;
    case VIRTIO_MMIO_QUEUE_READY:
      state_->WriteQueueReady(queue, value);
      return true;
    case VIRTIO_MMIO_QUEUE_DESC_LOW:
      return write_address(QueueArea::kDescriptors, AddressHalf::kLow);
    case VIRTIO_MMIO_QUEUE_DESC_HIGH:
      return write_address(QueueArea::kDescriptors, AddressHalf::kHigh);
    case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
      return write_address(QueueArea::kAvailable, AddressHalf::kLow);
    case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
      return write_address(QueueArea::kAvailable, AddressHalf::kHigh);
    case VIRTIO_MMIO_QUEUE_USED_LOW:
      return write_address(QueueArea::kUsed, AddressHalf::kLow);
    case VIRTIO_MMIO_QUEUE_USED_HIGH:
      return write_address(QueueArea::kUsed, AddressHalf::kHigh);
    default:
      return false;
  }
}

}  // namespace ember::virtio
