#include "virtio/net/receiver.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace ember::virtio {
namespace {

constexpr uint64_t kHeaderBytes = sizeof(NetHeader);
// One byte more than the longest frame, which shows that a frame is longer.
constexpr uint64_t kOverflowBytes = kMaxFrameBytes + 1;

// Room for large frames is kept ready while they come, and for a while after.
constexpr uint64_t kSmallFrameBytes = 2048;
constexpr uint32_t kSmallFramesToForgetLarge = 64;

// The driver gets its frames in groups of about so many buffers, to work on them and to offer new
// buffers while more come.
constexpr size_t kPublishEvery = 64;

}  // namespace

Receiver::Receiver(const Traffic& traffic, QueuePair pair, QueueIndex index, Queue queue)
    : traffic_(traffic),
      pair_(pair),
      index_(index),
      queue_(std::move(queue)),
      held_(traffic.features.Has(VIRTIO_NET_F_MRG_RXBUF)
                ? std::min<size_t>(kMaxHeld, ToInteger(queue_.size()))
                : 1),
      overflow_(std::make_unique_for_overwrite<std::byte[]>(kOverflowBytes)),
      small_frames_in_a_row_(kSmallFramesToForgetLarge) {
  pieces_.reserve(kMaxPieces + 1);
}

Receiver::~Receiver() {
  for (size_t i = 0; i < held_count_; ++i) std::move(*held(i).chain).Abandon();
}

Rest Receiver::Work() {
  int64_t budget = kTurnBudgetBytes;
  for (;;) {
    queue_.DisableNotifications();
    const Rest rest = Drain(budget);
    Publish();
    if (rest != Rest::kNoBuffers) return rest;
    if (!queue_.EnableNotifications()) break;
    // The index moved and may move back: that must not go on for ever.
    budget -= kFrameCostBytes;
  }
  traffic_.metrics.no_rx_avail_buffer.Add();
  return Rest::kNoBuffers;
}

Rest Receiver::Drain(int64_t& budget) {
  while (budget > 0) {
    if (!frame_) {
      if (const auto breach = Hold(RoomWanted(), budget)) return Breached(*breach);
      if (held_count_ == 0) return budget > 0 ? Rest::kNoBuffers : Rest::kBudget;
      if (const auto rest = Receive()) return *rest;
      budget -= kFrameCostBytes + static_cast<int64_t>(frame_->bytes);
    }
    if (const auto rest = Deliver(budget)) return *rest;
  }
  return Rest::kBudget;
}

uint64_t Receiver::RoomWanted() const {
  const bool small = small_frames_in_a_row_ >= kSmallFramesToForgetLarge;
  return kHeaderBytes + (small ? kSmallFrameBytes : kMaxFrameBytes);
}

std::optional<Breach> Receiver::Hold(uint64_t bytes, int64_t& budget) {
  while (held_count_ < held_.size() && held_bytes_ < bytes && budget > 0) {
    std::unique_ptr<Held>& free = held_[(first_held_ + held_count_) % held_.size()];
    if (free == nullptr) free = std::make_unique<Held>(queue_.size());
    Queue::PopResult popped = queue_.Pop(free->storage);
    if (!popped) return popped.error();
    if (!*popped) return std::nullopt;
    DescriptorChain& chain = **popped;
    if (chain.writable_bytes() < kHeaderBytes) {
      // Of no use to anyone (5.1.6.3.1).
      traffic_.metrics.rx_fails.Add();
      budget -= kFrameCostBytes;
      queue_.Complete(std::move(chain), 0);
      held_has_gap_ = held_count_ > 0;
      continue;
    }
    free->room = chain.writable();
    held_bytes_ += chain.writable_bytes();
    free->chain.emplace(std::move(chain));
    ++held_count_;
  }
  return std::nullopt;
}

std::optional<Rest> Receiver::Receive() {
  LayOut();
  NetHeader header;
  const Received received = traffic_.backend.Receive(pair_, header, pieces_);
  switch (received.outcome) {
    case ReceiveOutcome::kNone:
    case ReceiveOutcome::kClosed:
      return Rest::kBackend;
    case ReceiveOutcome::kFailed:
      traffic_.metrics.tap_read_fails.Add();
      return Rest::kHostFailure;
    case ReceiveOutcome::kFrame:
      break;
  }
  traffic_.metrics.rx_count.Add();
  const bool small = received.frame_bytes <= kSmallFrameBytes;
  small_frames_in_a_row_ = small ? small_frames_in_a_row_ + 1 : 0;
  frame_ = Frame{.header = header,
                 .bytes = received.frame_bytes,
                 .in_place = std::min<uint64_t>(received.frame_bytes, laid_out_bytes_)};
  return std::nullopt;
}

void Receiver::LayOut() {
  pieces_.assign(1, iovec{});
  laid_out_bytes_ = 0;
  uint64_t skip = kHeaderBytes;
  for (size_t i = 0; i < held_count_ && pieces_.size() < kMaxPieces; ++i) {
    for (iovec piece : held(i).room.pieces()) {
      const size_t skipped = std::min<uint64_t>(skip, piece.iov_len);
      skip -= skipped;
      piece.iov_base = static_cast<std::byte*>(piece.iov_base) + skipped;
      piece.iov_len -= skipped;
      if (piece.iov_len == 0) continue;
      pieces_.push_back(piece);
      laid_out_bytes_ += piece.iov_len;
      if (pieces_.size() == kMaxPieces) break;
    }
  }
  pieces_.push_back({.iov_base = overflow_.get(), .iov_len = kOverflowBytes});
}

std::optional<Rest> Receiver::Deliver(int64_t& budget) {
  if (frame_->bytes < kMinFrameBytes || frame_->bytes > kMaxFrameBytes) {
    Drop();
    return std::nullopt;
  }
  const uint64_t needed = kHeaderBytes + frame_->bytes;
  if (held_bytes_ < needed) {
    if (const auto breach = Hold(needed, budget)) return Breached(*breach);
    if (held_bytes_ < needed) {
      if (!RoomIsFinal()) return budget > 0 ? Rest::kNoBuffers : Rest::kBudget;
      Drop();
      return std::nullopt;
    }
  }
  if (!frame_->admitted) {
    frame_->admitted = traffic_.limiter.Consume(frame_->bytes, traffic_.clock.Now());
    if (!frame_->admitted) {
      traffic_.metrics.rx_rate_limiter_throttled.Add();
      return Rest::kThrottled;
    }
  }
  Place();
  return std::nullopt;
}

bool Receiver::RoomIsFinal() const {
  return held_count_ == held_.size() || queue_.in_flight() == ToInteger(queue_.size());
}

void Receiver::Place() {
  const Frame frame = *std::exchange(frame_, std::nullopt);
  size_t count = 0;
  for (uint64_t room = 0; room < kHeaderBytes + frame.bytes; ++count) {
    room += held(count).chain->writable_bytes();
  }
  NetHeader header = frame.header;
  header.num_buffers = static_cast<uint16_t>(count);
  EMBER_CHECK(held(0).room.PutFront(std::as_bytes(std::span(&header, 1))));

  uint64_t in_place = frame.in_place;
  std::span<const std::byte> overflow(overflow_.get(), frame.bytes - frame.in_place);
  for (size_t i = 0; i < count; ++i) {
    Buffers& room = held(i).room;
    const uint64_t there = std::min(in_place, room.size_bytes());
    room.DropFront(there);
    in_place -= there;
    const size_t copied = std::min<uint64_t>(overflow.size(), room.size_bytes());
    EMBER_CHECK(room.PutFront(overflow.first(copied)));
    overflow = overflow.subspan(copied);

    DescriptorChain chain = *std::exchange(held(i).chain, std::nullopt);
    held_bytes_ -= chain.writable_bytes();
    const uint64_t written = chain.writable_bytes() - room.size_bytes();
    queue_.Complete(std::move(chain), written);
  }
  first_held_ = (first_held_ + count) % held_.size();
  held_count_ -= count;
  held_has_gap_ = held_has_gap_ && held_count_ > 0;
  traffic_.metrics.rx_packets_count.Add();
  traffic_.metrics.rx_bytes_count.Add(frame.bytes);
  unpublished_ += count;
  if (unpublished_ >= kPublishEvery) Publish();
}

void Receiver::Publish() {
  unpublished_ = 0;
  if (queue_.Publish()) traffic_.driver.UsedBuffers(index_);
}

void Receiver::Drop() {
  traffic_.metrics.rx_fails.Add();
  MarkInPlaceDirty();
  frame_.reset();
}

void Receiver::MarkInPlaceDirty() {
  uint64_t left = kHeaderBytes + frame_->in_place;
  for (size_t i = 0; i < held_count_ && left > 0; ++i) {
    const uint64_t dirtied = std::min(left, held(i).chain->writable_bytes());
    held(i).chain->MarkWritten(traffic_.memory, 0, dirtied);
    left -= dirtied;
  }
}

void Receiver::MoveToOverflow() {
  MarkInPlaceDirty();
  const uint64_t in_place = std::exchange(frame_->in_place, 0);
  // One that is too long is dropped, wherever it is.
  if (frame_->bytes > kOverflowBytes) return;
  std::byte* const to = overflow_.get();
  std::memmove(to + in_place, to, frame_->bytes - in_place);
  uint64_t moved = 0;
  uint64_t skip = kHeaderBytes;
  for (size_t i = 0; i < held_count_ && moved < in_place; ++i) {
    Buffers room = held(i).room;
    const uint64_t skipped = std::min(skip, room.size_bytes());
    room.DropFront(skipped);
    skip -= skipped;
    const uint64_t count = std::min(in_place - moved, room.size_bytes());
    EMBER_CHECK(room.TakeFront({to + moved, count}));
    moved += count;
  }
}

void Receiver::ComeToRest() {
  if (frame_) MoveToOverflow();
  while (held_count_ > 0) {
    --held_count_;
    DescriptorChain chain = *std::exchange(held(held_count_).chain, std::nullopt);
    // Chains can be put back where no later one was completed: otherwise that one would be taken
    // again in place of the first. Only a driver with buffers of no use sees this.
    held_has_gap_ ? queue_.Complete(std::move(chain), 0) : queue_.PutBack(std::move(chain));
  }
  held_bytes_ = 0;
  held_has_gap_ = false;
  Publish();
}

Rest Receiver::Breached(Breach breach) {
  traffic_.driver.NeedsReset(index_, breach);
  return Rest::kBreach;
}

std::chrono::nanoseconds Receiver::ThrottledFor() const {
  if (!frame_) return std::chrono::nanoseconds::zero();
  return traffic_.limiter.TimeUntilReady(frame_->bytes, traffic_.clock.Now());
}

}  // namespace ember::virtio
