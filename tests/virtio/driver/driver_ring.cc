#include "tests/virtio/driver/driver_ring.h"

#include <atomic>
#include <cstring>

namespace ember::virtio::testing {
namespace {

RingPlace Allocate(GuestRam& ram, uint16_t size) {
  return {.size = size,
          .descriptors = ram.Allocate(uint64_t{16} * size, 16),
          .available = ram.Allocate(6 + uint64_t{2} * size, 2),
          .used = ram.Allocate(6 + uint64_t{8} * size, 4)};
}

GuestAddress AvailableEntry(const RingPlace& place, uint16_t slot) {
  return place.available + (4 + uint64_t{2} * slot);
}
GuestAddress UsedElementAt(const RingPlace& place, uint16_t slot) {
  return place.used + (4 + uint64_t{8} * slot);
}

}  // namespace

DriverRing::DriverRing(GuestRam& ram, uint16_t size, bool event_index)
    : DriverRing(ram.memory(), Allocate(ram, size), event_index) {}

DriverRing::DriverRing(const GuestMemory& memory, const RingPlace& place, bool event_index)
    : memory_(&memory), place_(place), event_index_(event_index) {
  for (uint16_t i = place.size; i > 0; --i) free_.push_back(static_cast<uint16_t>(i - 1));
}

std::byte* DriverRing::Host(GuestAddress at, uint64_t len) const {
  return memory_->HostSpan(at, len)->data();
}

uint16_t DriverRing::Load(GuestAddress at) const {
  void* const host = Host(at, 2);
  return std::atomic_ref<uint16_t>(*static_cast<uint16_t*>(host)).load(std::memory_order_seq_cst);
}

void DriverRing::Store(GuestAddress at, uint16_t value) const {
  void* const host = Host(at, 2);
  std::atomic_ref<uint16_t>(*static_cast<uint16_t*>(host)).store(value, std::memory_order_seq_cst);
}

uint16_t DriverRing::Add(std::span<const Segment> segments) {
  std::vector<uint16_t> taken(free_.end() - static_cast<std::ptrdiff_t>(segments.size()),
                              free_.end());
  free_.resize(free_.size() - segments.size());
  for (size_t i = 0; i < segments.size(); ++i) {
    const bool last = i + 1 == segments.size();
    const unsigned flags = (segments[i].device_writes ? kWrite : 0U) | (last ? 0U : kNext);
    SetDescriptor(taken[i], {.addr = ToInteger(segments[i].at),
                             .len = segments[i].len,
                             .flags = static_cast<uint16_t>(flags),
                             .next = last ? uint16_t{0} : taken[i + 1]});
  }
  const uint16_t head = taken.front();
  in_flight_[head] = std::move(taken);
  Offer(head);
  return head;
}

uint16_t DriverRing::AddIndirect(std::span<const Segment> segments, GuestAddress table) {
  for (size_t i = 0; i < segments.size(); ++i) {
    const bool last = i + 1 == segments.size();
    const unsigned flags = (segments[i].device_writes ? kWrite : 0U) | (last ? 0U : kNext);
    const RawDescriptor descriptor{.addr = ToInteger(segments[i].at),
                                   .len = segments[i].len,
                                   .flags = static_cast<uint16_t>(flags),
                                   .next = static_cast<uint16_t>(last ? 0 : i + 1)};
    std::memcpy(Host(table + 16 * i, 16), &descriptor, 16);
  }
  const uint16_t head = free_.back();
  free_.pop_back();
  SetDescriptor(head, {.addr = ToInteger(table),
                       .len = static_cast<uint32_t>(16 * segments.size()),
                       .flags = kIndirect});
  in_flight_[head] = {head};
  Offer(head);
  return head;
}

void DriverRing::Offer(uint16_t head) {
  SetAvailableEntry(next_available_ % place_.size, head);
  ++next_available_;
}

bool DriverRing::Publish() {
  const uint16_t before = published_;
  published_ = next_available_;
  SetAvailableIndex(published_);
  if (!event_index_) return (used_flags() & 1) == 0;
  // 2.7.10: the device asked to hear of the entry at avail_event.
  for (uint16_t entry = before; entry != published_; ++entry) {
    if (entry == available_event()) return true;
  }
  return false;
}

std::optional<UsedEntry> DriverRing::TakeUsed() {
  if (used_index() == next_used_) return std::nullopt;
  const UsedEntry entry = used_entry(next_used_ % place_.size);
  ++next_used_;
  const auto found = in_flight_.find(static_cast<uint16_t>(entry.id));
  if (found != in_flight_.end()) {
    free_.insert(free_.end(), found->second.rbegin(), found->second.rend());
    in_flight_.erase(found);
  }
  return entry;
}

void DriverRing::SetDescriptor(uint16_t index, const RawDescriptor& descriptor) {
  static_assert(sizeof(RawDescriptor) == 16);
  std::memcpy(Host(place_.descriptors + uint64_t{16} * index, 16), &descriptor, 16);
}

void DriverRing::SetAvailableEntry(uint16_t slot, uint16_t head) {
  Store(AvailableEntry(place_, slot), head);
}
void DriverRing::SetAvailableIndex(uint16_t index) { Store(place_.available + 2, index); }
void DriverRing::SetUsedIndex(uint16_t index) { Store(place_.used + 2, index); }
void DriverRing::SetAvailableFlags(uint16_t flags) { Store(place_.available, flags); }
void DriverRing::SetUsedEvent(uint16_t index) { Store(AvailableEntry(place_, place_.size), index); }
uint16_t DriverRing::available_index() const { return Load(place_.available + 2); }
uint16_t DriverRing::used_index() const { return Load(place_.used + 2); }
uint16_t DriverRing::used_flags() const { return Load(place_.used); }
uint16_t DriverRing::available_event() const { return Load(UsedElementAt(place_, place_.size)); }

UsedEntry DriverRing::used_entry(uint16_t slot) const {
  UsedEntry entry;
  std::memcpy(&entry, Host(UsedElementAt(place_, slot), 8), 8);
  return entry;
}

void DriverRing::StartAt(uint16_t index) {
  next_available_ = published_ = next_used_ = index;
  SetAvailableIndex(index);
  Store(place_.used + 2, index);
}

}  // namespace ember::virtio::testing
