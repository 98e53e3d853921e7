#include "virtio/console/control_queues.h"

#include <array>
#include <span>
#include <utility>

namespace ember::virtio {
namespace {

QueueSize SizeOf(const std::optional<Queue>& queue) { return queue ? queue->size() : QueueSize{1}; }

}  // namespace

ControlQueues::ControlQueues(std::optional<Queue> receive, std::optional<Queue> transmit,
                             DriverEvents& driver, Multiport& multiport, ConsoleMetrics& metrics)
    : receive_(std::move(receive)),
      transmit_(std::move(transmit)),
      driver_(driver),
      multiport_(multiport),
      metrics_(metrics),
      transmit_storage_(SizeOf(transmit_)),
      receive_storage_(SizeOf(receive_)) {}

ControlQueues::~ControlQueues() {
  if (room_) std::move(*room_).Abandon();
}

OrBreach<Progress> ControlQueues::Listen() {
  if (!transmit_) return Progress::kDone;
  WorkBudget budget;
  return WorkOn(*transmit_, kTransmit, driver_, budget, [&] { return DrainTransmit(budget); });
}

OrBreach<Drained> ControlQueues::DrainTransmit(WorkBudget& budget) {
  while (budget.left > 0) {
    Queue::PopResult popped = transmit_->Pop(transmit_storage_);
    if (!popped) return tl::unexpected(popped.error());
    if (!*popped) return Drained::kEmpty;
    DescriptorChain& chain = **popped;
    virtio_console_control message{};
    Buffers readable = chain.readable();
    if (!readable.TakeFront(std::as_writable_bytes(std::span(&message, 1)))) {
      metrics_.invalid_control.Add();
      std::move(chain).Abandon();
      return tl::unexpected(Breach::kRequestHeaderTooShort);
    }
    if (!multiport_.OnMessage(message)) metrics_.invalid_control.Add();
    budget.left -= WorkBudget::kChainCost;
    transmit_->Complete(std::move(chain), 0);
  }
  return Drained::kAtLimit;
}

OrBreach<Progress> ControlQueues::Speak() {
  if (!receive_) return Progress::kDone;
  WorkBudget budget;
  return WorkOn(*receive_, kReceive, driver_, budget, [&] { return DrainReceive(budget); });
}

void ControlQueues::ComeToRest() {
  if (room_) receive_->PutBack(*std::exchange(room_, std::nullopt));
}

OrBreach<Drained> ControlQueues::DrainReceive(WorkBudget& budget) {
  std::array<std::byte, Multiport::kMaxMessageBytes> room;
  for (;;) {
    if (budget.left <= 0) return Drained::kAtLimit;
    // Also where there is nothing to say: a breach shows at once that way.
    if (!room_) {
      Queue::PopResult popped = receive_->Pop(receive_storage_);
      if (!popped) return tl::unexpected(popped.error());
      if (!*popped) return Drained::kEmpty;
      room_.emplace(**std::move(popped));
    }
    const std::span<const std::byte> message = multiport_.NextMessage(room);
    if (message.empty()) return Drained::kIdle;
    Buffers writable = room_->writable();
    const bool fits = writable.PutFront(message);
    fits ? multiport_.DropMessage() : metrics_.invalid_control.Add();
    budget.left -= WorkBudget::kChainCost;
    receive_->Complete(*std::exchange(room_, std::nullopt), fits ? message.size() : 0);
  }
}

}  // namespace ember::virtio
