#include "virtio/net/transmitter.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <utility>

namespace ember::virtio {
namespace {

// The driver gets its buffers back in groups, so that it need not wait for the end of a turn.
constexpr uint32_t kPublishEvery = 64;

}  // namespace

Transmitter::Transmitter(const Traffic& traffic, QueuePair pair, QueueIndex index, Queue queue,
                         std::optional<MacAddress> address)
    : traffic_(traffic),
      pair_(pair),
      index_(index),
      address_(address),
      queue_(std::move(queue)),
      storage_(queue_.size()) {
  pieces_.reserve(storage_.capacity() + 1);
}

Transmitter::~Transmitter() {
  if (pending_) std::move(pending_->chain).Abandon();
}

Rest Transmitter::Work() {
  int64_t budget = kTurnBudgetBytes;
  for (;;) {
    queue_.DisableNotifications();
    const Rest rest = Drain(budget);
    Publish();
    if (rest == Rest::kBudget) traffic_.metrics.tx_remaining_reqs_count.Add();
    if (rest != Rest::kNoBuffers) return rest;
    if (!queue_.EnableNotifications()) break;
    // The index moved and may move back: that must not go on for ever.
    budget -= kFrameCostBytes;
  }
  if (budget == kTurnBudgetBytes) traffic_.metrics.no_tx_avail_buffer.Add();
  return Rest::kNoBuffers;
}

Rest Transmitter::Drain(int64_t& budget) {
  while (budget > 0) {
    if (!pending_) {
      const tl::expected<bool, Breach> taken = Take(budget);
      if (!taken) {
        traffic_.driver.NeedsReset(index_, taken.error());
        return Rest::kBreach;
      }
      if (!*taken) return Rest::kNoBuffers;
      if (!pending_) continue;
    }
    if (const std::optional<Rest> rest = SendPending()) return *rest;
  }
  return Rest::kBudget;
}

tl::expected<bool, Breach> Transmitter::Take(int64_t& budget) {
  Queue::PopResult popped = queue_.Pop(storage_);
  if (!popped) return tl::unexpected(popped.error());
  if (!*popped) return false;
  DescriptorChain& chain = **popped;
  Buffers packet = chain.readable();
  budget -= kFrameCostBytes;
  const std::optional<NetHeader> header = Parse(packet);
  if (!header) {
    traffic_.metrics.tx_malformed_frames.Add();
    Complete(std::move(chain));
    return true;
  }
  budget -= static_cast<int64_t>(packet.size_bytes());
  pending_.emplace(Pending{.chain = std::move(chain), .header = *header, .frame = packet});
  return true;
}

std::optional<NetHeader> Transmitter::Parse(Buffers& packet) const {
  NetHeader header;
  if (!packet.TakeFront(std::as_writable_bytes(std::span(&header, 1)))) return std::nullopt;
  const uint64_t frame_bytes = packet.size_bytes();
  if (frame_bytes < kMinFrameBytes || frame_bytes > kMaxFrameBytes) return std::nullopt;
  return CheckTransmitHeader(header, frame_bytes, traffic_.features);
}

std::optional<Rest> Transmitter::SendPending() {
  NetMetrics& metrics = traffic_.metrics;
  const uint64_t frame_bytes = pending_->frame.size_bytes();
  const std::chrono::nanoseconds now = traffic_.clock.Now();
  if (!pending_->admitted) {
    if (traffic_.backend_answers &&
        traffic_.backend.Answer(pending_->header, pending_->frame.pieces())) {
      FinishPending();
      return std::nullopt;
    }
    if (!traffic_.limiter.Consume(frame_bytes, now)) {
      metrics.tx_rate_limiter_throttled.Add();
      return Rest::kThrottled;
    }
    pending_->admitted = true;
    CountSource(pending_->frame);
  }
  const SendOutcome outcome = Send(*pending_, now);
  if (outcome == SendOutcome::kFull) return Rest::kBackend;
  if (outcome == SendOutcome::kSent) {
    metrics.tx_count.Add();
    metrics.tx_packets_count.Add();
    metrics.tx_bytes_count.Add(frame_bytes);
  } else {
    metrics.tx_fails.Add();
    if (outcome == SendOutcome::kRefused) metrics.tap_write_fails.Add();
  }
  FinishPending();
  return std::nullopt;
}

void Transmitter::FinishPending() {
  Pending done = *std::exchange(pending_, std::nullopt);
  Complete(std::move(done.chain));
}

SendOutcome Transmitter::Send(const Pending& pending, std::chrono::nanoseconds now) {
  const std::span<const iovec> frame = pending.frame.pieces();
  pieces_.assign(1, iovec{});
  pieces_.insert(pieces_.end(), frame.begin(), frame.end());
  const SendOutcome outcome = traffic_.backend.Send(pair_, pending.header, pieces_);
  traffic_.metrics.tap_write_agg.Add(traffic_.clock.Now() - now);
  return outcome;
}

void Transmitter::CountSource(const Buffers& frame) {
  if (!address_) return;
  std::array<uint8_t, size_t{2} * ETH_ALEN> addresses;  // destination and source
  size_t copied = 0;
  for (const iovec& piece : frame.pieces()) {
    const size_t count = std::min(piece.iov_len, addresses.size() - copied);
    std::memcpy(addresses.data() + copied, piece.iov_base, count);
    copied += count;
    if (copied == addresses.size()) break;
  }
  const bool own = std::ranges::equal(std::span(addresses).subspan(ETH_ALEN), address_->octets);
  if (!own) traffic_.metrics.tx_spoofed_mac_count.Add();
}

std::chrono::nanoseconds Transmitter::ThrottledFor() const {
  if (!pending_) return std::chrono::nanoseconds::zero();
  return traffic_.limiter.TimeUntilReady(pending_->frame.size_bytes(), traffic_.clock.Now());
}

void Transmitter::ComeToRest() {
  if (!pending_) return;
  Pending waiting = *std::exchange(pending_, std::nullopt);
  queue_.PutBack(std::move(waiting.chain));
}

void Transmitter::Complete(DescriptorChain chain) {
  queue_.Complete(std::move(chain), 0);
  if (++unpublished_ == kPublishEvery) Publish();
}

void Transmitter::Publish() {
  unpublished_ = 0;
  if (queue_.Publish()) traffic_.driver.UsedBuffers(index_);
}

}  // namespace ember::virtio
