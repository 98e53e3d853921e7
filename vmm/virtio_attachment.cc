#include "vmm/virtio_attachment.h"

#include <utility>

namespace ember::vmm {

Result<std::unique_ptr<VirtioAttachment>> VirtioAttachment::Create(
    std::unique_ptr<virtio::VirtioDevice> device, const Site& site) {
  std::unique_ptr<VirtioAttachment> attachment(new VirtioAttachment);
  attachment->device_ = std::move(device);
  attachment->line_ = TRY(site.vm.CreateInterruptLine(site.place.gsi));
  attachment->transport_ =
      TRY(virtio::MmioTransport::Create(*attachment->device_, site.memory, *attachment->line_));
  TRY(site.mmio.Insert(
      {.base = ToInteger(site.place.range.start), .size_bytes = site.place.range.size_bytes},
      attachment->transport_));
  const size_t queue_count = attachment->device_->max_queue_sizes().size();
  for (size_t i = 0; i < queue_count; ++i) {
    TRY(attachment->RingOn(site, virtio::QueueIndex{static_cast<uint16_t>(i)}));
  }
  return attachment;
}

Status VirtioAttachment::RingOn(const Site& site, virtio::QueueIndex queue) {
  virtio::DeviceState& state = transport_->state();
  const kvm::IoEvent doorbell{
      .address = ToInteger(site.place.range.start) + virtio::MmioTransport::kQueueNotifyOffset,
      .size_bytes = sizeof(uint32_t),
      .value = ToInteger(queue)};
  TRY(site.vm.AddIoEvent(doorbell, state.notify_fd(queue)));
  doorbells_.push_back(TRY(site.loop.WatchReadable(
      state.notify_fd(queue).get(), [&state, queue] { state.ProcessQueue(queue); })));
  return {};
}

}  // namespace ember::vmm
