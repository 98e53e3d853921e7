// What a BlockSession does with one request.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.h"
#include "virtio/block/block_session.h"

namespace ember::virtio {
namespace {

int64_t Cost(const IoCall& call) {
  const bool transfer = call.kind == IoKind::kRead || call.kind == IoKind::kWrite;
  return transfer ? static_cast<int64_t>(call.len_bytes) : BlockSession::kFlushCostBytes;
}

bool ChangesTheDisk(uint32_t type) {
  return type == VIRTIO_BLK_T_OUT || type == VIRTIO_BLK_T_DISCARD ||
         type == VIRTIO_BLK_T_WRITE_ZEROES;
}

}  // namespace

void BlockSession::Begin(Slot& slot) {
  slot.began_at = now_;
  const uint32_t type = slot.request.type;
  if (ChangesTheDisk(type) && parts_.disk->access() == Access::kReadOnly) {
    const bool write = type == VIRTIO_BLK_T_OUT;
    return Invalid(slot, write ? BlockStatus::kIoError : BlockStatus::kUnsupported);
  }
  switch (type) {
    case VIRTIO_BLK_T_IN:
    case VIRTIO_BLK_T_OUT:
      return BeginTransfer(slot);
    case VIRTIO_BLK_T_FLUSH:
      if (!features_.Has(VIRTIO_BLK_F_FLUSH)) return Invalid(slot, BlockStatus::kUnsupported);
      slot.steps.BeginFlush();
      return Carry(slot);
    case VIRTIO_BLK_T_DISCARD:
      if (!features_.Has(VIRTIO_BLK_F_DISCARD)) return Invalid(slot, BlockStatus::kUnsupported);
      return BeginRanges(slot);
    case VIRTIO_BLK_T_WRITE_ZEROES:
      if (!features_.Has(VIRTIO_BLK_F_WRITE_ZEROES)) {
        return Invalid(slot, BlockStatus::kUnsupported);
      }
      return BeginRanges(slot);
    case VIRTIO_BLK_T_GET_ID:
      return GetId(slot);
    default:
      return Invalid(slot, BlockStatus::kUnsupported);
  }
}

void BlockSession::BeginTransfer(Slot& slot) {
  const bool write = slot.request.type == VIRTIO_BLK_T_OUT;
  const Buffers& data = write ? slot.request.to_read : slot.request.to_write;
  const uint64_t capacity_sectors = parts_.disk->size_bytes() / kSectorBytes;
  const BlockStatus bounds = CheckBounds(slot.request.sector, data.size_bytes(), capacity_sectors);
  if (bounds != BlockStatus::kOk) return Invalid(slot, bounds);
  slot.steps.BeginTransfer(write ? IoKind::kWrite : IoKind::kRead,
                           slot.request.sector * kSectorBytes, data,
                           write ? WriteDurability() : Durability::kAtFlush);
  Carry(slot);
}

void BlockSession::BeginRanges(Slot& slot) {
  const uint32_t type = slot.request.type;
  const auto ranges =
      ParseRanges(type, slot.request.to_read, parts_.disk->size_bytes() / kSectorBytes);
  if (!ranges) return Invalid(slot, ranges.error());
  slot.steps.BeginRanges(type == VIRTIO_BLK_T_DISCARD ? IoKind::kDiscard : IoKind::kZero, *ranges,
                         WriteDurability());
  Carry(slot);
}

// A driver that declines the flush it is offered must find each write durable (virtio 1.2,
// 5.2.6.2).
Durability BlockSession::WriteDurability() const {
  const bool write_through =
      parts_.cache_type == CacheType::kWriteback && !features_.Has(VIRTIO_BLK_F_FLUSH);
  return write_through ? Durability::kAtOnce : Durability::kAtFlush;
}

void BlockSession::Carry(Slot& slot) {
  for (;;) {
    const std::optional<IoCall> call = slot.steps.Next();
    if (!call) return Succeed(slot);
    if (budget_ <= 0) {
      runnable_.push_back(&slot);
      return;
    }
    budget_ -= Cost(*call);
    const std::optional<IoResult> result = parts_.engine->Start(slot.tag, *call);
    if (!result) {
      ++in_flight_;
      started_ = true;
      return;
    }
    now_ = parts_.clock.Now();
    if (!Account(slot, *result)) return;
  }
}

bool BlockSession::Account(Slot& slot, const IoResult& result) {
  if (!result) {
    const int error_number = result.error().error_number();
    const bool put_off = error_number == EAGAIN || error_number == EINTR;
    if (put_off && slot.retries++ < kMaxRetries) return true;
    HostFailure(slot, result.error());
    return false;
  }
  slot.retries = 0;
  if (slot.steps.Advance(*result)) return true;
  HostFailure(slot, Error("the disk ended before its size"));
  return false;
}

void BlockSession::Succeed(Slot& slot) {
  BlockMetrics& metrics = parts_.metrics;
  const uint64_t moved_bytes = slot.steps.moved_bytes();
  switch (slot.request.type) {
    case VIRTIO_BLK_T_IN:
      metrics.read_count.Add();
      metrics.read_bytes.Add(moved_bytes);
      metrics.read_agg.Add(now_ - slot.began_at);
      return Answer(slot, BlockStatus::kOk, moved_bytes);
    case VIRTIO_BLK_T_OUT:
      metrics.write_count.Add();
      metrics.write_bytes.Add(moved_bytes);
      metrics.write_agg.Add(now_ - slot.began_at);
      break;
    case VIRTIO_BLK_T_FLUSH:
      metrics.flush_count.Add();
      break;
    default:
      break;
  }
  Answer(slot, BlockStatus::kOk, 0);
}

void BlockSession::GetId(Slot& slot) {
  const DiskSerial& serial = parts_.disk->serial();
  if (!slot.request.to_write.PutFront(serial)) return Invalid(slot, BlockStatus::kIoError);
  Answer(slot, BlockStatus::kOk, serial.size());
}

void BlockSession::Invalid(Slot& slot, BlockStatus status) {
  parts_.metrics.invalid_reqs_count.Add();
  Answer(slot, status, 0);
}

void BlockSession::HostFailure(Slot& slot, const Error& error) {
  parts_.metrics.execute_fails.Add();
  EMBER_LOG_LIMITED(kError, parts_.name, ": ", error.message());
  if (slot.request.type != VIRTIO_BLK_T_IN) return Answer(slot, BlockStatus::kIoError, 0);
  // The host may have put down more than it counted before it failed.
  slot.chain->MarkWritten(memory_, 0, slot.chain->writable_bytes());
  Answer(slot, BlockStatus::kIoError, slot.steps.moved_bytes());
}

// The count in the used ring is of bytes from the first on without a hole (virtio 1.2, 2.7.8.2), so
// it takes in the status only where all before it was written.
void BlockSession::Answer(Slot& slot, BlockStatus status, uint64_t written_bytes) {
  *slot.request.status = static_cast<std::byte>(status);
  const uint64_t status_at = slot.chain->writable_bytes() - 1;
  slot.chain->MarkWritten(memory_, status_at, 1);
  const bool all = written_bytes == status_at;
  slot.line->queue.Complete(*std::exchange(slot.chain, std::nullopt),
                            written_bytes + (all ? 1 : 0));
  free_.push_back(&slot);
}

// Without an answer: what the host may have written counts as written.
void BlockSession::Drop(Slot& slot) {
  if (slot.request.type == VIRTIO_BLK_T_IN) {
    slot.chain->MarkWritten(memory_, 0, slot.chain->writable_bytes());
  }
  std::move(*slot.chain).Abandon();
  slot.chain.reset();
  free_.push_back(&slot);
}

}  // namespace ember::virtio
