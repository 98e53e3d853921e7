#include "virtio/mem/mem_device.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/concat.h"
#include "virtio/config_space.h"

namespace ember::virtio {
namespace {

constexpr QueueIndex kRequestQueue{0};

}  // namespace

Result<std::unique_ptr<MemDevice>> MemDevice::Create(Options options) {
  const PluggableMemory* const pluggable = options.memory.pluggable();
  if (pluggable == nullptr) return Error("a memory device needs pluggable memory");
  const uint64_t region_bytes = pluggable->range().size_bytes;
  const uint64_t slot_bytes = options.slot_bytes;
  if (slot_bytes == 0 || slot_bytes % pluggable->block_bytes() != 0 ||
      region_bytes % slot_bytes != 0) {
    return Error(Concat("slots of ", slot_bytes, " bytes are not made of whole blocks of ",
                        pluggable->block_bytes(), ", or do not make up the region of ",
                        region_bytes));
  }
  Fd left_over = TRY(CreateEventFd());
  const std::optional<MemState> state = std::move(options.state);
  std::unique_ptr<MemDevice> device(new MemDevice(std::move(options), std::move(left_over)));
  if (state) TRY_CONTEXT(device->Restore(*state), "memory device");
  return device;
}

MemDevice::MemDevice(Options options, Fd left_over)
    : memory_(options.memory),
      pluggable_(*options.memory.pluggable()),
      slot_bytes_(options.slot_bytes),
      journal_(options.journal),
      left_over_(std::move(left_over)),
      work_(memory_, slot_bytes_, std::move(options.slots), metrics_) {
  config_.block_size = pluggable_.block_bytes();
  config_.addr = ToInteger(pluggable_.range().start);
  config_.region_size = pluggable_.range().size_bytes;
}

MemState MemDevice::Save() const {
  MemState state{.requested_bytes = config_.requested_size,
                 .usable_bytes = config_.usable_region_size,
                 .plugged = std::vector<std::byte>((pluggable_.block_count() + 7) / 8)};
  for (uint64_t block = 0; block < pluggable_.block_count(); ++block) {
    if (pluggable_.CountPlugged({.first = block, .count = 1}) == 0) continue;
    state.plugged[block / 8] |= std::byte{1} << (block % 8);
  }
  return state;
}

Status MemDevice::Restore(const MemState& state) {
  const uint64_t region_bytes = config_.region_size;
  if (state.requested_bytes % config_.block_size != 0 || state.usable_bytes % slot_bytes_ != 0 ||
      state.requested_bytes > region_bytes || state.usable_bytes > region_bytes ||
      state.usable_bytes < UsableFor(state.requested_bytes)) {
    return Error(Concat("no client and driver bring it to ", state.requested_bytes,
                        " bytes requested and ", state.usable_bytes, " usable"));
  }
  if (state.plugged.size() != (pluggable_.block_count() + 7) / 8) {
    return Error(Concat("the snapshot has bits for ", 8 * state.plugged.size(),
                        " blocks, the region ", pluggable_.block_count()));
  }
  const uint64_t usable_blocks = state.usable_bytes / config_.block_size;
  for (uint64_t block = 0; block < 8 * state.plugged.size(); ++block) {
    if ((state.plugged[block / 8] >> (block % 8) & std::byte{1}) == std::byte{0}) continue;
    if (block >= usable_blocks) return Error(Concat("block ", block, " cannot be plugged"));
    pluggable_.SetPlugged({.first = block, .count = 1});
    config_.plugged_size += config_.block_size;
  }
  config_.requested_size = state.requested_bytes;
  config_.usable_region_size = state.usable_bytes;
  return work_.ShowPlugged();
}

MemDevice::~MemDevice() {
  if (active_ != nullptr) MemDevice::Reset();
}

Status MemDevice::Activate(Activation activation) {
  // 5.15.5.2 allows to fail here: hidden slots cannot be read, as drivers without it might.
  if (!activation.features.Has(VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE)) {
    metrics_.activate_fails.Add();
    return Error("the driver does not accept that unplugged memory is inaccessible");
  }
  std::optional<Queue>& queue = activation.queues[ToInteger(kRequestQueue)];
  if (!queue) {
    metrics_.activate_fails.Add();
    return Error("the driver did not set up the request queue");
  }
  const QueueSize size = queue->size();
  active_ = std::make_unique<Active>(Active{.driver = activation.driver,
                                            .queue = *std::move(queue),
                                            .storage = ChainStorage(size),
                                            .pending = std::nullopt});
  return {};
}

// No state of a block changes here (5.15.5.2), and what the host began it finishes.
void MemDevice::Reset() {
  if (active_->pending) std::move(active_->pending->chain).Abandon();
  active_.reset();
  work_.AbandonPlug();
  if (work_.busy()) ::eventfd_write(left_over_.get(), 1);
}

Status MemDevice::ComeToRest() {
  while (work_.busy()) {
    int64_t budget = kWakeUpBudgetBytes;
    work_.Step(budget);
  }
  if (active_->pending) FinishPending();
  if (active_->queue.Publish()) active_->driver.UsedBuffers(kRequestQueue);
  return {};
}

void MemDevice::OnHostEvents() {
  int64_t budget = kWakeUpBudgetBytes;
  // A request's work is OnNotify()'s.
  const bool has_request = active_ != nullptr && active_->pending;
  while (!has_request && work_.busy() && budget > 0) work_.Step(budget);
  if (!has_request && work_.busy()) return;
  eventfd_t count = 0;
  ::eventfd_read(left_over_.get(), &count);
}

Progress MemDevice::OnNotify(QueueIndex index) {
  metrics_.queue_event_count.Add();
  if (index != kRequestQueue || active_->broken) return Progress::kDone;
  Queue& queue = active_->queue;
  int64_t budget = kWakeUpBudgetBytes;
  for (;;) {
    queue.DisableNotifications();
    const Drained drained = Drain(budget);
    if (queue.Publish()) active_->driver.UsedBuffers(index);
    if (drained == Drained::kBreach) return Progress::kDone;
    if (drained == Drained::kAtLimit) return Progress::kMore;
    if (!queue.EnableNotifications()) return Progress::kDone;
    // The index moved and may move back: that must not go on for ever.
    budget -= kRequestCostBytes;
  }
}

MemDevice::Drained MemDevice::Drain(int64_t& budget) {
  while (budget > 0) {
    // A request's, or what a reset left.
    if (work_.busy()) {
      work_.Step(budget);
      if (active_->pending && !work_.busy()) FinishPending();
      continue;
    }
    Queue::PopResult popped = active_->queue.Pop(active_->storage);
    if (!popped) {
      metrics_.queue_event_fails.Add();
      active_->broken = true;
      active_->driver.NeedsReset(kRequestQueue, popped.error());
      return Drained::kBreach;
    }
    if (!*popped) return Drained::kEmpty;
    budget -= kRequestCostBytes;
    Handle(std::move(**popped));
  }
  return Drained::kAtLimit;
}

void MemDevice::Handle(DescriptorChain chain) {
  Buffers to_read = chain.readable();
  const Buffers to_write = chain.writable();
  const std::optional<MemRequest> request = MemRequest::Take(to_read);
  Pending pending{.chain = std::move(chain),
                  .to_write = to_write,
                  .request = request.value_or(MemRequest{.type = UINT16_MAX}),
                  .blocks = {},
                  .start = Clock::now()};
  // Nothing is done that cannot be answered.
  if (to_write.size_bytes() < sizeof(virtio_mem_resp)) pending.request.type = UINT16_MAX;
  switch (pending.request.type) {
    case VIRTIO_MEM_REQ_PLUG:
      return HandlePlug(std::move(pending));
    case VIRTIO_MEM_REQ_UNPLUG:
      return HandleUnplug(std::move(pending));
    case VIRTIO_MEM_REQ_UNPLUG_ALL:
      return HandleUnplugAll(std::move(pending));
    case VIRTIO_MEM_REQ_STATE:
      return HandleState(std::move(pending));
    default:
      metrics_.queue_event_fails.Add();
      return Answer(std::move(pending), VIRTIO_MEM_RESP_ERROR);
  }
}

void MemDevice::HandlePlug(Pending pending) {
  const auto blocks = pending.request.BlocksWithin(pluggable_, config_.usable_region_size);
  if (!blocks) return Answer(std::move(pending), VIRTIO_MEM_RESP_ERROR);
  // More may be plugged than is requested, where the client lowered that.
  const uint64_t bytes = blocks->count * config_.block_size;
  if (config_.plugged_size + bytes > config_.requested_size) {
    return Answer(std::move(pending), VIRTIO_MEM_RESP_NACK);
  }
  if (pluggable_.CountPlugged(*blocks) > 0) {
    return Answer(std::move(pending), VIRTIO_MEM_RESP_ERROR);
  }
  pending.blocks = *blocks;
  work_.StartPlug(*blocks);
  active_->pending.emplace(std::move(pending));
}

void MemDevice::HandleUnplug(Pending pending) {
  const auto blocks = pending.request.BlocksWithin(pluggable_, config_.usable_region_size);
  if (!blocks || pluggable_.CountPlugged(*blocks) < blocks->count) {
    return Answer(std::move(pending), VIRTIO_MEM_RESP_ERROR);
  }
  pluggable_.SetUnplugged(*blocks);
  config_.plugged_size -= blocks->count * config_.block_size;
  pending.blocks = *blocks;
  work_.StartUnplug(*blocks);
  active_->pending.emplace(std::move(pending));
}

void MemDevice::HandleUnplugAll(Pending pending) {
  pending.blocks = {.first = 0, .count = config_.usable_region_size / config_.block_size};
  config_.usable_region_size = UsableFor(config_.requested_size);
  if (pending.blocks.count == 0) return Answer(std::move(pending), VIRTIO_MEM_RESP_ACK);
  pluggable_.SetUnplugged(pending.blocks);
  config_.plugged_size = 0;
  work_.StartUnplug(pending.blocks);
  active_->pending.emplace(std::move(pending));
}

void MemDevice::HandleState(Pending pending) {
  const auto blocks = pending.request.BlocksWithin(pluggable_, config_.usable_region_size);
  if (!blocks) return Answer(std::move(pending), VIRTIO_MEM_RESP_ERROR);
  const uint64_t plugged = pluggable_.CountPlugged(*blocks);
  uint16_t state = VIRTIO_MEM_STATE_MIXED;
  if (plugged == 0) state = VIRTIO_MEM_STATE_UNPLUGGED;
  if (plugged == blocks->count) state = VIRTIO_MEM_STATE_PLUGGED;
  Answer(std::move(pending), VIRTIO_MEM_RESP_ACK, state);
}

void MemDevice::FinishPending() {
  Pending pending = *std::exchange(active_->pending, std::nullopt);
  if (pending.request.type != VIRTIO_MEM_REQ_PLUG) {
    ReportPlugged();
    return Answer(std::move(pending), VIRTIO_MEM_RESP_ACK);
  }
  // The host may have memory another time.
  if (work_.failed()) return Answer(std::move(pending), VIRTIO_MEM_RESP_BUSY);
  config_.plugged_size += pending.blocks.count * config_.block_size;
  ReportPlugged();
  Answer(std::move(pending), VIRTIO_MEM_RESP_ACK);
}

// Block by block it would be too much to read; the last one tells.
void MemDevice::ReportPlugged() const {
  constexpr uint64_t kMib = uint64_t{1024} * 1024;
  if (journal_ == nullptr || config_.plugged_size != config_.requested_size) return;
  journal_->AppendLimited("memory_plugged", {{"plugged_size_mib", config_.plugged_size / kMib}});
}

void MemDevice::Answer(Pending pending, uint16_t type, uint16_t state) {
  static_assert(sizeof(virtio_mem_resp) == 10);
  Count(pending, type);
  virtio_mem_resp response{};
  response.type = type;
  response.u.state.state = state;
  const std::span<const std::byte> bytes = std::as_bytes(std::span(&response, 1));
  const bool fits = pending.to_write.PutFront(bytes);
  active_->queue.Complete(std::move(pending.chain), fits ? bytes.size() : 0);
}

void MemDevice::Count(const Pending& pending, uint16_t type) {
  const uint64_t failed = type == VIRTIO_MEM_RESP_ACK ? 0 : 1;
  const uint64_t bytes = pending.blocks.count * config_.block_size;
  const auto took = Clock::now() - pending.start;
  switch (pending.request.type) {
    case VIRTIO_MEM_REQ_PLUG:
      metrics_.plug_count.Add();
      metrics_.plug_fails.Add(failed);
      metrics_.plug_bytes.Add(failed == 0 ? bytes : 0);
      return metrics_.plug_agg.Add(took);
    case VIRTIO_MEM_REQ_UNPLUG:
      metrics_.unplug_count.Add();
      metrics_.unplug_fails.Add(failed);
      metrics_.unplug_bytes.Add(failed == 0 ? bytes : 0);
      return metrics_.unplug_agg.Add(took);
    case VIRTIO_MEM_REQ_UNPLUG_ALL:
      metrics_.unplug_all_count.Add();
      metrics_.unplug_all_fails.Add(failed);
      return metrics_.unplug_all_agg.Add(took);
    case VIRTIO_MEM_REQ_STATE:
      metrics_.state_count.Add();
      metrics_.state_fails.Add(failed);
      return metrics_.state_agg.Add(took);
    default:
      return;
  }
}

void MemDevice::ReadConfig(uint64_t offset, std::span<std::byte> out) const {
  static_assert(sizeof(virtio_mem_config) == 56);
  ReadConfigSpace(std::as_bytes(std::span(&config_, 1)), offset, out);
}

uint64_t MemDevice::UsableFor(uint64_t requested_bytes) const {
  return (requested_bytes + slot_bytes_ - 1) / slot_bytes_ * slot_bytes_;
}

Status MemDevice::SetRequestedSize(uint64_t bytes) {
  if (active_ == nullptr) return Error("Device is not active");
  if (bytes % config_.block_size != 0 || bytes > config_.region_size) {
    return Error(Concat("Size ", bytes,
                        " is invalid: it must be a multiple of block size and less than the total "
                        "size"));
  }
  config_.requested_size = bytes;
  // It shrinks only with VIRTIO_MEM_REQ_UNPLUG_ALL (5.15.4.2).
  config_.usable_region_size = std::max<uint64_t>(config_.usable_region_size, UsableFor(bytes));
  active_->driver.ConfigChanged();
  return {};
}

}  // namespace ember::virtio
