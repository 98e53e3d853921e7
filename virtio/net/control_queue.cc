#include "virtio/net/control_queue.h"

#include <cstddef>
#include <span>
#include <utility>

#include "virtio/net/virtio_net_uapi.h"

namespace ember::virtio {
namespace {

constexpr int kCommandsPerTurn = 64;

template <typename T>
[[nodiscard]] bool Take(Buffers& from, T& value) {
  return from.TakeFront(std::as_writable_bytes(std::span(&value, 1)));
}

}  // namespace

ControlQueue::ControlQueue(Queue queue, QueueIndex index, DriverEvents& driver, UsePairs use_pairs)
    : index_(index),
      driver_(driver),
      use_pairs_(std::move(use_pairs)),
      queue_(std::move(queue)),
      storage_(queue_.size()) {}

ControlQueue::Outcome ControlQueue::Work() {
  for (int left = kCommandsPerTurn; left > 0; --left) {
    queue_.DisableNotifications();
    const Outcome outcome = Drain(left);
    if (queue_.Publish()) driver_.UsedBuffers(index_);
    if (outcome != Outcome::kDone || !queue_.EnableNotifications()) return outcome;
  }
  return Outcome::kMore;
}

ControlQueue::Outcome ControlQueue::Drain(int& left) {
  for (; left > 0; --left) {
    Queue::PopResult popped = queue_.Pop(storage_);
    if (popped && !*popped) return Outcome::kDone;
    const std::optional<Breach> breach = popped ? CarryOut(**popped) : popped.error();
    if (!breach) continue;
    driver_.NeedsReset(index_, *breach);
    return Outcome::kBreach;
  }
  return Outcome::kMore;
}

std::optional<Breach> ControlQueue::CarryOut(DescriptorChain& chain) {
  Buffers command = chain.readable();
  Buffers answer = chain.writable();
  std::optional<Breach> breach;
  if (command.size_bytes() < sizeof(virtio_net_ctrl_hdr)) breach = Breach::kRequestHeaderTooShort;
  if (answer.empty()) breach = Breach::kRequestNoStatusByte;
  if (breach) {
    std::move(chain).Abandon();
    return breach;
  }
  const std::byte ack{Accept(command) ? uint8_t{VIRTIO_NET_OK} : uint8_t{VIRTIO_NET_ERR}};
  static_cast<void>(answer.PutFront(std::span(&ack, 1)));
  queue_.Complete(std::move(chain), sizeof(ack));
  return std::nullopt;
}

bool ControlQueue::Accept(Buffers& command) {
  virtio_net_ctrl_hdr header;
  virtio_net_ctrl_mq pairs;
  if (!Take(command, header) || header.class_ != VIRTIO_NET_CTRL_MQ ||
      header.cmd != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET || !Take(command, pairs)) {
    return false;
  }
  return use_pairs_(pairs.virtqueue_pairs);
}

}  // namespace ember::virtio
