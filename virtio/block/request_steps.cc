#include "virtio/block/request_steps.h"

#include <algorithm>

namespace ember::virtio {

void RequestSteps::BeginTransfer(IoKind kind, uint64_t offset, const Buffers& data,
                                 Durability durability) {
  kind_ = kind;
  flush_left_ = durability == Durability::kAtOnce;
  data_ = data;
  offset_ = offset;
  moved_bytes_ = 0;
}

void RequestSteps::BeginRanges(IoKind kind, const DiskRanges& ranges, Durability durability) {
  kind_ = kind;
  flush_left_ = durability == Durability::kAtOnce;
  ranges_ = ranges;
  range_index_ = 0;
  range_done_bytes_ = 0;
}

void RequestSteps::BeginFlush() {
  kind_ = IoKind::kFlush;
  flush_left_ = true;
}

std::optional<IoCall> RequestSteps::Next() {
  const bool transfer = kind_ == IoKind::kRead || kind_ == IoKind::kWrite;
  if (transfer && !data_.empty()) return TransferCall();
  if (!transfer && kind_ != IoKind::kFlush) {
    if (const DiskRange* const range = CurrentRange()) {
      return IoCall{
          .kind = kind_,
          .zero_mode = range->zero_mode,
          .offset = range->offset + range_done_bytes_,
          .len_bytes = std::min(range->len_bytes - range_done_bytes_, kMaxRangeStepBytes)};
    }
  }
  if (flush_left_) return IoCall{.kind = IoKind::kFlush};
  return std::nullopt;
}

// The first pieces, as many as are within the limit.
IoCall RequestSteps::TransferCall() {
  const std::span<const iovec> pieces = data_.pieces();
  size_t count = 0;
  uint64_t bytes = 0;
  while (count < pieces.size() && bytes + pieces[count].iov_len <= kMaxStepBytes) {
    bytes += pieces[count].iov_len;
    ++count;
  }
  IoCall call{.kind = kind_,
              .offset = offset_ + moved_bytes_,
              .len_bytes = bytes,
              .pieces = pieces.first(count)};
  if (count == 0) {
    cut_ = {.iov_base = pieces.front().iov_base, .iov_len = kMaxStepBytes};
    call.len_bytes = kMaxStepBytes;
    call.pieces = {&cut_, 1};
  }
  return call;
}

const DiskRange* RequestSteps::CurrentRange() {
  const std::span<const DiskRange> all = ranges_.all();
  while (range_index_ < all.size()) {
    if (range_done_bytes_ < all[range_index_].len_bytes) return &all[range_index_];
    ++range_index_;
    range_done_bytes_ = 0;
  }
  return nullptr;
}

bool RequestSteps::Advance(uint64_t bytes) {
  const bool transfer = kind_ == IoKind::kRead || kind_ == IoKind::kWrite;
  if (transfer && !data_.empty()) {
    data_.DropFront(bytes);
    moved_bytes_ += bytes;
    return bytes > 0;
  }
  if (!transfer && kind_ != IoKind::kFlush && CurrentRange() != nullptr) {
    range_done_bytes_ += bytes;
    return bytes > 0;
  }
  flush_left_ = false;
  return true;
}

}  // namespace ember::virtio
