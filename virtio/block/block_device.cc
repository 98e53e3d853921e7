#include "virtio/block/block_device.h"

#include <algorithm>
#include <utility>

#include "base/concat.h"
#include "base/log.h"
#include "virtio/config_space.h"

namespace ember::virtio {
namespace {

// Two descriptors of a chain are for header and status.
constexpr uint32_t kMaxSegments = ToInteger(BlockDevice::kQueueSize) - 2;

// The first pieces of `data`, at most kMaxStepBytes. `cut` is where one too large on its own is
// cut.
std::span<const iovec> NextPieces(const Buffers& data, iovec& cut) {
  const std::span<const iovec> pieces = data.pieces();
  size_t count = 0;
  uint64_t bytes = 0;
  while (count < pieces.size() && bytes + pieces[count].iov_len <= BlockDevice::kMaxStepBytes) {
    bytes += pieces[count].iov_len;
    ++count;
  }
  if (count > 0) return pieces.first(count);
  cut = {.iov_base = pieces.front().iov_base, .iov_len = BlockDevice::kMaxStepBytes};
  return {&cut, 1};
}

}  // namespace

BlockDevice::BlockDevice(std::unique_ptr<Disk> disk, const Options& options)
    : disk_(std::move(disk)),
      name_(Concat("block ", options.drive_id)),
      cache_type_(options.cache_type),
      capacity_sectors_(disk_->size_bytes() / kSectorBytes) {
  config_.capacity = capacity_sectors_;
  config_.seg_max = kMaxSegments;
  config_.blk_size = kSectorBytes;
}

BlockDevice::~BlockDevice() {
  if (active_ != nullptr) BlockDevice::Reset();
}

Features BlockDevice::offered_features() const {
  Features features{VIRTIO_BLK_F_SEG_MAX, VIRTIO_BLK_F_BLK_SIZE};
  if (disk_->access() == Access::kReadOnly) features = features | Features{VIRTIO_BLK_F_RO};
  if (cache_type_ == CacheType::kWriteback) features = features | Features{VIRTIO_BLK_F_FLUSH};
  return features;
}

Status BlockDevice::Activate(Activation activation) {
  std::optional<Queue>& queue = activation.queues[ToInteger(kRequestQueue)];
  if (!queue) {
    metrics_.activate_fails.Add();
    return Error("the driver did not set up the request queue");
  }
  const QueueSize size = queue->size();
  active_.reset(new Active{.memory = activation.memory,
                           .driver = activation.driver,
                           .features = activation.features,
                           .queue = *std::move(queue),
                           .storage = ChainStorage(size),
                           .pending = std::nullopt});
  return {};
}

void BlockDevice::Reset() {
  if (active_->pending) std::move(active_->pending->chain).Abandon();
  active_.reset();
}

Progress BlockDevice::OnNotify(QueueIndex /*queue*/) {
  metrics_.queue_event_count.Add();
  Queue& queue = active_->queue;
  int64_t budget = kWakeUpBudgetBytes;
  for (;;) {
    queue.DisableNotifications();
    const Drained drained = Drain(budget);
    if (queue.Publish()) active_->driver.UsedBuffers(kRequestQueue);
    if (drained == Drained::kBreach) return Progress::kDone;
    if (drained == Drained::kEmpty) {
      if (!queue.EnableNotifications()) break;
      // The index moved and may move back: that must not go on for ever.
      budget -= kRequestCostBytes;
      continue;
    }
    metrics_.remaining_reqs_count.Add();
    return Progress::kMore;
  }
  if (budget == kWakeUpBudgetBytes) metrics_.no_avail_buffer.Add();
  return Progress::kDone;
}

BlockDevice::Drained BlockDevice::Drain(int64_t& budget) {
  while (budget > 0) {
    if (!active_->pending) {
      const tl::expected<bool, Breach> taken = Take();
      if (!taken) {
        active_->driver.NeedsReset(kRequestQueue, taken.error());
        return Drained::kBreach;
      }
      if (!*taken) return Drained::kEmpty;
      budget -= kRequestCostBytes;
    }
    if (const std::optional<Outcome> outcome = Step(budget)) Finish(*outcome);
  }
  return Drained::kAtLimit;
}

tl::expected<bool, Breach> BlockDevice::Take() {
  Queue::PopResult popped = active_->queue.Pop(active_->storage);
  if (!popped) return tl::unexpected(popped.error());
  if (!*popped) return false;
  DescriptorChain& chain = **popped;
  const auto request = ParseBlockRequest(chain);
  if (!request) {
    metrics_.invalid_reqs_count.Add();
    std::move(chain).Abandon();
    return tl::unexpected(request.error());
  }
  active_->pending.emplace(Pending{.chain = std::move(chain), .request = *request});
  return true;
}

std::optional<BlockDevice::Outcome> BlockDevice::Step(int64_t& budget) {
  switch (active_->pending->request.type) {
    case VIRTIO_BLK_T_IN:
    case VIRTIO_BLK_T_OUT:
      return StepTransfer(budget);
    case VIRTIO_BLK_T_FLUSH:
      if (!active_->features.Has(VIRTIO_BLK_F_FLUSH)) return Invalid(BlockStatus::kUnsupported);
      return Flush(budget);
    case VIRTIO_BLK_T_GET_ID:
      return GetId();
    default:
      return Invalid(BlockStatus::kUnsupported);
  }
}

std::optional<BlockDevice::Outcome> BlockDevice::StepTransfer(int64_t& budget) {
  Pending& pending = *active_->pending;
  BlockRequest& request = pending.request;
  const bool write = request.type == VIRTIO_BLK_T_OUT;
  Buffers& data = write ? request.to_read : request.to_write;
  if (pending.done_bytes == 0) {
    const BlockStatus bounds = CheckBounds(request.sector, data.size_bytes(), capacity_sectors_);
    if (bounds != BlockStatus::kOk) return Invalid(bounds);
    if (write && disk_->access() == Access::kReadOnly) return Invalid(BlockStatus::kIoError);
  }
  if (!data.empty()) {
    iovec cut;
    const std::span<const iovec> pieces = NextPieces(data, cut);
    const uint64_t offset = request.sector * kSectorBytes + pending.done_bytes;
    const Result<size_t> moved =
        write ? disk_->WriteSome(offset, pieces) : disk_->ReadSome(offset, pieces);
    if (!moved) return HostFailure(moved.error());
    if (*moved == 0) return HostFailure(Error("the disk ended before its size"));
    data.DropFront(*moved);
    pending.done_bytes += *moved;
    budget -= static_cast<int64_t>(*moved);
    if (!data.empty()) return std::nullopt;
  }
  if (write) return EndWrite(budget);
  metrics_.read_count.Add();
  metrics_.read_bytes.Add(pending.done_bytes);
  return Outcome{.written_bytes = pending.done_bytes};
}

BlockDevice::Outcome BlockDevice::EndWrite(int64_t& budget) {
  metrics_.write_count.Add();
  metrics_.write_bytes.Add(active_->pending->done_bytes);
  const bool write_through =
      cache_type_ == CacheType::kWriteback && !active_->features.Has(VIRTIO_BLK_F_FLUSH);
  return write_through ? Flush(budget) : Outcome{};
}

BlockDevice::Outcome BlockDevice::Flush(int64_t& budget) {
  budget -= kFlushCostBytes;
  metrics_.flush_count.Add();
  if (const Status flushed = disk_->Flush(); !flushed) return HostFailure(flushed.error());
  return {};
}

BlockDevice::Outcome BlockDevice::GetId() {
  if (!active_->pending->request.to_write.PutFront(disk_->serial())) {
    return Invalid(BlockStatus::kIoError);
  }
  return {.written_bytes = disk_->serial().size()};
}

BlockDevice::Outcome BlockDevice::Invalid(BlockStatus status) {
  metrics_.invalid_reqs_count.Add();
  return {.status = status};
}

BlockDevice::Outcome BlockDevice::HostFailure(const Error& error) {
  metrics_.execute_fails.Add();
  EMBER_LOG_LIMITED(kError, name_, ": ", error.message());
  const Pending& pending = *active_->pending;
  if (pending.request.type != VIRTIO_BLK_T_IN) return {.status = BlockStatus::kIoError};
  // The host may have put down more than it counted before it failed.
  pending.chain.MarkWritten(active_->memory, 0, pending.chain.writable_bytes());
  return {.status = BlockStatus::kIoError, .written_bytes = pending.done_bytes};
}

// The count in the used ring is of bytes from the first on without a hole (virtio 1.2, 2.7.8.2), so
// it takes in the status only where all before it was written.
void BlockDevice::Finish(const Outcome& outcome) {
  Pending pending = *std::exchange(active_->pending, std::nullopt);
  *pending.request.status = static_cast<std::byte>(outcome.status);
  const uint64_t status_at = pending.chain.writable_bytes() - 1;
  pending.chain.MarkWritten(active_->memory, status_at, 1);
  const bool all = outcome.written_bytes == status_at;
  active_->queue.Complete(std::move(pending.chain), outcome.written_bytes + (all ? 1 : 0));
}

void BlockDevice::ReadConfig(uint64_t offset, std::span<std::byte> out) const {
  ReadConfigSpace(std::as_bytes(std::span(&config_, 1)), offset, out);
}

void BlockDevice::WriteConfig(uint64_t /*offset*/, std::span<const std::byte> /*in*/) {
  metrics_.cfg_fails.Add();
}

}  // namespace ember::virtio
