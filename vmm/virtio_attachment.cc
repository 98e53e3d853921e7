#include "vmm/virtio_attachment.h"

#include <string>
#include <utility>

#include "sandbox/confinement.h"

namespace ember::vmm {

Result<std::unique_ptr<VirtioAttachment>> VirtioAttachment::Create(
    std::unique_ptr<virtio::VirtioDevice> device, const Site& site) {
  std::unique_ptr<VirtioAttachment> attachment(new VirtioAttachment(site.place));
  attachment->device_ = std::move(device);
  attachment->line_ = TRY(site.vm.CreateInterruptLine(site.place.gsi));
  attachment->transport_ =
      TRY(virtio::MmioTransport::Create(*attachment->device_, site.memory, *attachment->line_));
  attachment->transport_->state().ReportTo(site.journal);
  TRY(site.mmio.Insert(
      {.base = ToInteger(site.place.range.start), .size_bytes = site.place.range.size_bytes},
      attachment->transport_));
  if (site.thread == ThreadChoice::kOwn) attachment->own_loop_ = TRY(EventLoop::Create());
  EventLoop& loop = attachment->own_loop_ ? *attachment->own_loop_ : site.loop;
  const size_t queue_count = attachment->device_->max_queue_sizes().size();
  for (size_t i = 0; i < queue_count; ++i) {
    TRY(attachment->RingOn(site, loop, virtio::QueueIndex{static_cast<uint16_t>(i)}));
  }
  TRY(attachment->WatchHostEvents(loop));
  // From here on the watches are its thread's.
  if (attachment->own_loop_) {
    TRY(attachment->StartThread());
    attachment->own_entry_.emplace(
        site.vitals.AddLoop(std::string(attachment->device_->name()), loop));
  }
  return attachment;
}

VirtioAttachment::~VirtioAttachment() {
  if (own_loop_) own_loop_->Stop();
  own_thread_.Join();
}

Status VirtioAttachment::StartThread() {
  virtio::HostWait* const wait = device_->TakeHostWait();
  EventLoop& loop = *own_loop_;
  virtio::DeviceState& state = transport_->state();
  own_thread_ = TRY(Thread::Start(device_->name(), [&loop, &state, wait] {
    sandbox::Confine(sandbox::ThreadKind::kDevice);
    if (wait == nullptr) return loop.Run();
    loop.Run([&state, wait](int fd) {
      return state.WaitForHost(*wait, fd) ? EventLoop::Woken::kByDescriptor
                                          : EventLoop::Woken::kByItsOwn;
    });
  }));
  return {};
}

Status VirtioAttachment::RingOn(const Site& site, EventLoop& loop, virtio::QueueIndex queue) {
  virtio::DeviceState& state = transport_->state();
  const kvm::IoEvent doorbell{
      .address = ToInteger(site.place.range.start) + virtio::MmioTransport::kQueueNotifyOffset,
      .size_bytes = sizeof(uint32_t),
      .value = ToInteger(queue)};
  TRY(site.vm.AddIoEvent(doorbell, state.notify_fd(queue)));
  if (device_->serves_queues_elsewhere()) return {};
  watches_.push_back(TRY(loop.WatchArrivals(state.notify_fd(queue).get(),
                                            [&state, queue] { state.ProcessQueue(queue); })));
  return {};
}

Status VirtioAttachment::WatchHostEvents(EventLoop& loop) {
  const int fd = device_->host_event_fd();
  if (fd < 0) return {};
  virtio::DeviceState& state = transport_->state();
  watches_.push_back(TRY(loop.WatchReadable(fd, [&state] { state.ProcessHostEvents(); })));
  return {};
}

}  // namespace ember::vmm
