#include "virtio/vsock/vsock_device.h"

#include <utility>

#include "virtio/config_space.h"
#include "virtio/vsock/packet.h"

namespace ember::virtio {

Result<std::unique_ptr<VsockDevice>> VsockDevice::Create(const Options& options) {
  std::unique_ptr<VsockDevice> device(new VsockDevice(options));
  device->multiplexer_ =
      TRY(Multiplexer::Create({.guest_cid = options.guest_cid, .uds_path = options.uds_path},
                              options.clock, device->metrics_));
  return device;
}

VsockDevice::~VsockDevice() {
  if (active_ != nullptr) VsockDevice::Reset();
}

Status VsockDevice::Activate(Activation activation) {
  std::optional<Queue>& rx = activation.queues[ToInteger(kRxQueue)];
  std::optional<Queue>& tx = activation.queues[ToInteger(kTxQueue)];
  if (!rx || !tx) {
    metrics_.activate_fails.Add();
    return Error("the driver did not set up the rx and tx queues");
  }
  active_.reset(new Active{.driver = activation.driver,
                           .rx = *std::move(rx),
                           .tx = *std::move(tx),
                           .event = std::move(activation.queues[ToInteger(kEventQueue)]),
                           .storage = ChainStorage(kQueueSize)});
  multiplexer_->Start();
  return {};
}

void VsockDevice::Reset() {
  multiplexer_->Stop();
  active_.reset();
}

Progress VsockDevice::OnNotify(QueueIndex queue) {
  if (active_->broken) return Progress::kDone;
  if (queue == kTxQueue) {
    metrics_.tx_queue_event_count.Add();
    active_->tx_has_packets = true;
  } else if (queue == kRxQueue) {
    metrics_.rx_queue_event_count.Add();
    active_->rx_has_room = true;
    multiplexer_->SetGuestRoom(Multiplexer::GuestRoom::kSome);
    Check(active_->rx, kRxQueue);
  } else if (active_->event) {
    Check(*active_->event, kEventQueue);
    PutEvent();
  }
  const Progress progress = Work();
  multiplexer_->ArmTimer(Multiplexer::Next::kWhenDue);
  return progress;
}

void VsockDevice::OnHostEvents() {
  multiplexer_->ProcessEvents();
  const Progress progress = Work();
  multiplexer_->ArmTimer(progress == Progress::kMore ? Multiplexer::Next::kNow
                                                     : Multiplexer::Next::kWhenDue);
}

Progress VsockDevice::Work() {
  if (active_ == nullptr) return Progress::kDone;
  int64_t tx_budget = kWakeUpBudgetBytes;
  int64_t rx_budget = kWakeUpBudgetBytes;
  for (;;) {
    DrainTx(tx_budget);
    FillRx(rx_budget);
    if (active_->broken) return Progress::kDone;
    const bool can_take = active_->tx_has_packets && multiplexer_->CanTakePacket();
    const bool can_put = active_->rx_has_room && multiplexer_->HasPacket();
    if (!can_take && !can_put) return Progress::kDone;
    if ((can_take && tx_budget <= 0) || (can_put && rx_budget <= 0)) return Progress::kMore;
  }
}

void VsockDevice::DrainTx(int64_t& budget) {
  if (!active_->tx_has_packets || active_->broken) return;
  Queue& queue = active_->tx;
  for (;;) {
    queue.DisableNotifications();
    const bool none_left = !TakePackets(budget);
    if (queue.Publish()) active_->driver.UsedBuffers(kTxQueue);
    if (!none_left || active_->broken) return;
    if (!queue.EnableNotifications()) break;
    // The index moved and may move back: that must not go on for ever.
    budget -= kPacketCostBytes;
  }
  active_->tx_has_packets = false;
}

bool VsockDevice::TakePackets(int64_t& budget) {
  while (budget > 0 && multiplexer_->CanTakePacket()) {
    Queue::PopResult popped = active_->tx.Pop(active_->storage);
    if (!popped) {
      Break(kTxQueue, popped.error());
      return true;
    }
    if (!*popped) return false;
    DescriptorChain& chain = **popped;
    tl::expected<VsockPacket, Breach> packet = ParseVsockPacket(chain);
    if (!packet) {
      std::move(chain).Abandon();
      Break(kTxQueue, packet.error());
      return true;
    }
    budget -= kPacketCostBytes + packet->header.len;
    multiplexer_->TakePacket(*packet);
    active_->tx.Complete(std::move(chain), 0);
  }
  return true;
}

void VsockDevice::FillRx(int64_t& budget) {
  if (!active_->rx_has_room || active_->broken || !multiplexer_->HasPacket()) return;
  Queue& queue = active_->rx;
  queue.DisableNotifications();
  while (budget > 0 && multiplexer_->HasPacket() && !active_->broken) {
    if (PutPacket(budget)) continue;
    if (queue.EnableNotifications()) {
      queue.DisableNotifications();
      budget -= kPacketCostBytes;
      continue;
    }
    active_->rx_has_room = false;
    multiplexer_->SetGuestRoom(Multiplexer::GuestRoom::kNone);
    break;
  }
  if (queue.Publish()) active_->driver.UsedBuffers(kRxQueue);
}

bool VsockDevice::PutPacket(int64_t& budget) {
  Queue::PopResult popped = active_->rx.Pop(active_->storage);
  if (!popped) {
    Break(kRxQueue, popped.error());
    return true;
  }
  if (!*popped) return false;
  DescriptorChain& chain = **popped;
  tl::expected<PacketRoom, Breach> room = PacketRoom::In(chain);
  if (!room) {
    std::move(chain).Abandon();
    Break(kRxQueue, room.error());
    return true;
  }
  budget -= kPacketCostBytes;
  if (const std::optional<uint64_t> bytes = multiplexer_->PutPacket(*room)) {
    budget -= static_cast<int64_t>(*bytes);
    active_->rx.Complete(std::move(chain), *bytes);
  } else {
    active_->rx.PutBack(std::move(chain));
  }
  return true;
}

void VsockDevice::ResetTransport() {
  multiplexer_->DropConnections();
  if (active_ == nullptr || active_->broken) return;
  active_->event_due = true;
  PutEvent();
  multiplexer_->ArmTimer(Multiplexer::Next::kWhenDue);
}

void VsockDevice::PutEvent() {
  if (!active_->event || !active_->event_due || active_->broken) return;
  Queue& queue = *active_->event;
  // A buffer that came before notifications were on again was not notified: look once more. A
  // driver that moves its index to and fro gets no event.
  for (int tries = 0; tries < 2; ++tries) {
    Queue::PopResult popped = queue.Pop(active_->storage);
    if (!popped) return Break(kEventQueue, popped.error());
    if (*popped) return PutEventInto(std::move(**popped));
    if (!queue.EnableNotifications()) return;
  }
}

void VsockDevice::PutEventInto(DescriptorChain chain) {
  virtio_vsock_event event{};
  event.id = VIRTIO_VSOCK_EVENT_TRANSPORT_RESET;
  if (!chain.writable().PutFront(std::as_bytes(std::span(&event, 1)))) {
    std::move(chain).Abandon();
    return Break(kEventQueue, Breach::kBufferTooSmall);
  }
  active_->event->Complete(std::move(chain), sizeof(event));
  active_->event_due = false;
  if (active_->event->Publish()) active_->driver.UsedBuffers(kEventQueue);
}

void VsockDevice::Check(Queue& queue, QueueIndex index) {
  Queue::PopResult popped = queue.Pop(active_->storage);
  if (!popped) return Break(index, popped.error());
  if (*popped) queue.PutBack(std::move(**popped));
}

void VsockDevice::Break(QueueIndex index, Breach breach) {
  if (index == kRxQueue) metrics_.rx_queue_event_fails.Add();
  if (index == kTxQueue) metrics_.tx_queue_event_fails.Add();
  if (index == kEventQueue) metrics_.ev_queue_event_fails.Add();
  active_->broken = true;
  // Nobody is there to talk to until the driver resets the device, and then nobody remembers.
  multiplexer_->Stop();
  active_->driver.NeedsReset(index, breach);
}

void VsockDevice::ReadConfig(uint64_t offset, std::span<std::byte> out) const {
  ReadConfigSpace(std::as_bytes(std::span(&config_, 1)), offset, out);
}

void VsockDevice::WriteConfig(uint64_t /*offset*/, std::span<const std::byte> /*in*/) {
  metrics_.cfg_fails.Add();
}

}  // namespace ember::virtio
