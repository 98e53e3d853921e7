#include "virtio/queue.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/concat.h"
#include "virtio/chain_walker.h"

// Ordering (virtio 1.2, 2.7.7.2, 2.7.10.1 and 2.7.13). The acquire load of the available index
// pairs with the driver's barrier before it stores it, so entries and descriptors read after are
// those it wrote before. The store of the used index releases the used elements. That store, and
// the one of avail_event or the flags, is sequentially consistent together with the load that
// follows: neither side can miss both the other's index and its request for an event.
namespace ember::virtio {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kSequential = std::memory_order_seq_cst;

constexpr uint16_t Distance(uint16_t from, uint16_t to) { return static_cast<uint16_t>(to - from); }

// Whether the step from `before` to `after` passes `event` (2.7.10, vring_need_event).
constexpr bool PassesEvent(uint16_t event, uint16_t before, uint16_t after) {
  return Distance(event, static_cast<uint16_t>(after - 1)) < Distance(before, after);
}

}  // namespace

Result<Queue> Queue::Create(const GuestMemory& memory, const QueueConfig& config,
                            const Options& options) {
  const QueueRings rings = TRY(ResolveQueueRings(config, options.max_size, memory));
  const uint16_t in_flight = Distance(options.state.next_used, options.state.next_available);
  if (in_flight > ToInteger(config.size)) {
    return Error(Concat("queue state has ", in_flight, " chains in flight, more than its size ",
                        ToInteger(config.size)));
  }
  return Queue(memory, config, rings, options);
}

Queue::Queue(const GuestMemory& memory, const QueueConfig& config, const QueueRings& rings,
             const Options& options)
    : memory_(&memory),
      config_(config),
      rings_(rings),
      indirect_(options.features.Has(kIndirectDescriptorsFeature)),
      event_index_(options.features.Has(kEventIndexFeature)),
      track_dirty_(memory.dirty_pages() != nullptr),
      available_index_(options.state.next_available),
      next_available_(options.state.next_available),
      next_used_(options.state.next_used),
      published_used_(options.state.next_used) {}

std::optional<Breach> Queue::RefreshAvailableIndex() {
  const uint16_t index = available_field(kRingIndexOffset).load(std::memory_order_acquire);
  // The driver owns the descriptors that are not in flight; it cannot offer more.
  if (Distance(next_available_, index) > ToInteger(config_.size) - in_flight()) {
    return Breach::kAvailableIndexJump;
  }
  available_index_ = index;
  return std::nullopt;
}

Queue::PopResult Queue::Pop(ChainStorage& storage) {
  if (next_available_ == available_index_) {
    if (const auto breach = RefreshAvailableIndex()) return tl::unexpected(*breach);
    if (next_available_ == available_index_) return std::nullopt;
  }
  const uint16_t size = ToInteger(config_.size);
  const uint64_t slot = next_available_ & (size - 1);
  const uint16_t head =
      available_field(kRingEntriesOffset + sizeof(uint16_t) * slot).load(kRelaxed);
  if (head >= size) return tl::unexpected(Breach::kHeadOutOfRange);

  ChainWalker walker(*memory_,
                     {.max_descriptors = size, .indirect = indirect_, .track_dirty = track_dirty_},
                     storage);
  if (const auto breach = walker.Walk(rings_.descriptors, head)) return tl::unexpected(*breach);
  ++next_available_;
  return DescriptorChain(storage, DescriptorIndex{head});
}

void Queue::PutBack(DescriptorChain chain) {
  EMBER_CHECK(in_flight() > 0);
  --next_available_;
  chain.Release();
}

void Queue::Complete(DescriptorChain chain, uint64_t written_bytes) {
  EMBER_CHECK(in_flight() > 0);
  if (track_dirty_) chain.MarkWritten(*memory_, 0, written_bytes);
  // The whole of a chain may be 2^32 bytes, one more than the field holds.
  constexpr uint64_t kMaxLen = std::numeric_limits<uint32_t>::max();
  const UsedElement element{.id = ToInteger(chain.head()),
                            .len = static_cast<uint32_t>(std::min(written_bytes, kMaxLen))};
  const uint64_t slot = next_used_ & (ToInteger(config_.size) - 1);
  std::memcpy(rings_.used + kRingEntriesOffset + sizeof(element) * slot, &element, sizeof(element));
  ++next_used_;
  chain.Release();
}

bool Queue::Publish() {
  if (next_used_ == published_used_) return false;
  const uint16_t before = std::exchange(published_used_, next_used_);
  used_field(kRingIndexOffset).store(next_used_, kSequential);
  MarkUsedRingDirty();
  if (event_index_) {
    const uint16_t event = available_field(UsedEventOffset(config_.size)).load(kSequential);
    return PassesEvent(event, before, next_used_);
  }
  const uint16_t flags = available_field(kRingFlagsOffset).load(kSequential);
  return (flags & kAvailableNoInterrupt) == 0;
}

void Queue::DisableNotifications() {
  // With EVENT_IDX the flags mean nothing, and avail_event left behind has the same effect.
  if (event_index_) return;
  used_field(kRingFlagsOffset).store(kUsedNoNotify, kRelaxed);
  MarkUsedRingDirty();
}

bool Queue::EnableNotifications() {
  if (event_index_) {
    used_field(AvailableEventOffset(config_.size)).store(next_available_, kSequential);
  } else {
    used_field(kRingFlagsOffset).store(0, kSequential);
  }
  MarkUsedRingDirty();
  return available_field(kRingIndexOffset).load(kSequential) != next_available_;
}

void Queue::MarkUsedRingDirty() const {
  if (track_dirty_) memory_->MarkDirty(config_.used, UsedRingBytes(config_.size));
}

}  // namespace ember::virtio
