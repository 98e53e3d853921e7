#include "virtio/console/port_queues.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

namespace ember::virtio {
namespace {

// The most pieces of a chain that input is read into at once; a socket has no more to give.
constexpr size_t kMaxReadPieces = 64;

QueueSize SizeOf(const std::optional<Queue>& queue) { return queue ? queue->size() : QueueSize{1}; }

}  // namespace

PortQueues::PortQueues(const Options& options, std::optional<Queue> receive,
                       std::optional<Queue> transmit)
    : options_(options),
      receive_(std::move(receive)),
      transmit_(std::move(transmit)),
      receive_storage_(SizeOf(receive_)),
      transmit_storage_(SizeOf(transmit_)) {}

PortQueues::~PortQueues() {
  if (room_) std::move(*room_).Abandon();
  if (output_) std::move(output_->chain).Abandon();
}

OrBreach<Progress> PortQueues::Transmit() {
  if (!transmit_) return Progress::kDone;
  WorkBudget budget;
  const OrBreach<Progress> progress = WorkOn(*transmit_, options_.transmit_index, options_.driver,
                                             budget, [&] { return DrainTransmit(budget); });
  options_.port.Flush();
  return progress;
}

OrBreach<Drained> PortQueues::DrainTransmit(WorkBudget& budget) {
  while (budget.left > 0) {
    if (!output_) {
      Queue::PopResult popped = transmit_->Pop(transmit_storage_);
      if (!popped) return tl::unexpected(popped.error());
      if (!*popped) return Drained::kEmpty;
      const Buffers all = (**popped).readable();
      output_.emplace(Output{.chain = **std::move(popped), .rest = all});
      budget.left -= WorkBudget::kChainCost;
    }
    PassOutput(budget);
  }
  return Drained::kAtLimit;
}

void PortQueues::PassOutput(WorkBudget& budget) {
  Buffers& rest = output_->rest;
  if (!rest.empty()) {
    const iovec& piece = rest.pieces().front();
    const size_t count = std::min(piece.iov_len, ConsolePort::kFlushBytes);
    options_.port.Write({static_cast<const std::byte*>(piece.iov_base), count});
    rest.DropFront(count);
    budget.left -= static_cast<int64_t>(count);
  }
  if (!rest.empty()) return;
  transmit_->Complete(std::move(std::exchange(output_, std::nullopt)->chain), 0);
}

void PortQueues::ComeToRest() {
  if (room_) receive_->PutBack(*std::exchange(room_, std::nullopt));
  WorkBudget budget;
  while (output_) PassOutput(budget);
  options_.port.Flush();
  if (transmit_ && transmit_->Publish()) options_.driver.UsedBuffers(options_.transmit_index);
}

OrBreach<Progress> PortQueues::Receive() {
  if (!receive_) return Progress::kDone;
  WorkBudget budget;
  options_.port.SetInputWanted(true);
  return WorkOn(*receive_, options_.receive_index, options_.driver, budget, [&] {
    OrBreach<Drained> drained = DrainReceive(budget);
    options_.port.SetInputWanted(drained && *drained != Drained::kEmpty);
    return drained;
  });
}

OrBreach<Drained> PortQueues::TakeRoom() {
  if (room_) return Drained::kIdle;
  if (!receive_) return Drained::kEmpty;
  Queue::PopResult popped = receive_->Pop(receive_storage_);
  if (!popped) return tl::unexpected(popped.error());
  if (!*popped) return Drained::kEmpty;
  room_.emplace(**std::move(popped));
  return Drained::kIdle;
}

OrBreach<Drained> PortQueues::DrainReceive(WorkBudget& budget) {
  for (;;) {
    if (budget.left <= 0) return Drained::kAtLimit;
    const OrBreach<Drained> taken = TakeRoom();
    if (!taken || *taken == Drained::kEmpty) return taken;
    if (!options_.port.readable()) return Drained::kIdle;
    std::array<iovec, kMaxReadPieces> pieces;
    const Buffers buffers = room_->writable();
    const std::span<const iovec> all = buffers.pieces();
    const size_t piece_count = std::min(all.size(), pieces.size());
    std::copy_n(all.begin(), piece_count, pieces.begin());
    size_t count = 0;
    if (piece_count > 0) {
      count = options_.port.Read(std::span(pieces).first(piece_count));
      if (count == 0) continue;
    }
    budget.left -= WorkBudget::kChainCost + static_cast<int64_t>(count);
    receive_->Complete(*std::exchange(room_, std::nullopt), count);
  }
}

}  // namespace ember::virtio
