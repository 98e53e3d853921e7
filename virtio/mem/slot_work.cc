#include "virtio/mem/slot_work.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace ember::virtio {

SlotWork::SlotWork(const GuestMemory& memory, uint64_t slot_bytes, std::unique_ptr<MemSlots> slots,
                   MemMetrics& metrics)
    : memory_(memory),
      pluggable_(*memory.pluggable()),
      slot_bytes_(slot_bytes),
      slots_(std::move(slots)),
      metrics_(metrics),
      shown_(pluggable_.range().size_bytes / slot_bytes) {}

Status SlotWork::ShowPlugged() {
  const uint64_t blocks = slot_bytes_ / pluggable_.block_bytes();
  for (size_t slot = 0; slot < shown_.size(); ++slot) {
    if (pluggable_.CountPlugged({.first = slot * blocks, .count = blocks}) == 0) continue;
    TRY(slots_->Show(slot));
    shown_[slot] = true;
  }
  return {};
}

void SlotWork::Start(Job job, Blocks blocks) {
  EMBER_CHECK(!busy());
  job_ = job;
  blocks_ = blocks;
  next_ = blocks.first * pluggable_.block_bytes();
  end_ = blocks.end() * pluggable_.block_bytes();
  discard_end_ = next_;
}

void SlotWork::StartPlug(Blocks blocks) {
  Start(Job::kPlug, blocks);
  failed_ = false;
}

void SlotWork::StartUnplug(Blocks blocks) { Start(Job::kUnplug, blocks); }

// What is ready of them is cleared away like blocks that were unplugged.
void SlotWork::AbandonPlug() {
  if (job_ != Job::kPlug) return;
  job_ = Job::kNone;
  StartUnplug(blocks_);
}

void SlotWork::Step(int64_t& budget) {
  EMBER_CHECK(busy());
  budget -= kLookCostBytes;
  job_ == Job::kPlug ? StepPlug(budget) : StepUnplug(budget);
}

void SlotWork::StepPlug(int64_t& budget) {
  const uint64_t slot = next_ / slot_bytes_;
  if (!shown_[slot]) {
    budget -= kSlotChangeCostBytes;
    if (Status shown = slots_->Show(slot); !shown) return FailPlug(shown.error());
    shown_[slot] = true;
  }
  const uint64_t piece_end = std::min({end_, SlotEnd(next_), next_ + kMaxPieceBytes});
  const GuestRange piece = RangeOf(next_, piece_end - next_);
  const Result<uint64_t> reserved = pluggable_.Reserve(piece);
  if (!reserved) return FailPlug(reserved.error());
  budget -= static_cast<int64_t>(*reserved);
  // It reads zeros now, whatever it was when it was last seen.
  memory_.MarkDirty(piece.start, piece.size_bytes);
  next_ = piece_end;
  if (next_ < end_) return;
  pluggable_.SetPlugged(blocks_);
  job_ = Job::kNone;
}

void SlotWork::FailPlug(const Error& error) {
  EMBER_LOG_LIMITED(kWarning, "memory device: ", error.message());
  failed_ = true;
  AbandonPlug();
}

void SlotWork::StepUnplug(int64_t& budget) {
  if (next_ == discard_end_) EnterSlot(budget);
  if (next_ < discard_end_) {
    const uint64_t len = std::min(discard_end_ - next_, kMaxPieceBytes);
    Discard(RangeOf(next_, len), budget);
    next_ += len;
  }
  if (next_ == discard_end_ && next_ >= end_) job_ = Job::kNone;
}

void SlotWork::EnterSlot(int64_t& budget) {
  const uint64_t slot = next_ / slot_bytes_;
  discard_end_ = std::min(end_, SlotEnd(next_));
  if (!shown_[slot]) {
    // No processor saw it.
    next_ = discard_end_;
    return;
  }
  const uint64_t blocks = slot_bytes_ / pluggable_.block_bytes();
  if (pluggable_.CountPlugged({.first = slot * blocks, .count = blocks}) > 0) return;
  budget -= kSlotChangeCostBytes;
  slots_->Hide(slot);
  shown_[slot] = false;
  next_ = slot * slot_bytes_;
  discard_end_ = next_ + slot_bytes_;
}

void SlotWork::Discard(const GuestRange& range, int64_t& budget) {
  budget -= static_cast<int64_t>(range.size_bytes);
  if (Status discarded = pluggable_.Discard(range); !discarded) {
    metrics_.unplug_discard_fails.Add();
    EMBER_LOG_LIMITED(kWarning, "memory device: ", discarded.error().message());
  }
}

}  // namespace ember::virtio
