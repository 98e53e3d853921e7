#include "devices/bus.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "base/concat.h"

namespace ember {
namespace {

std::string Describe(Bus::Range range, const BusDevice& device) {
  return Concat("[", Hex{range.base}, ", ", Hex{range.base + range.size_bytes}, ") of ",
                device.name());
}

bool IsAccessLength(size_t len) { return len == 1 || len == 2 || len == 4 || len == 8; }

}  // namespace

Status Bus::Insert(Range range, std::shared_ptr<BusDevice> device) {
  if (range.size_bytes == 0) {
    return Error(Concat("the range of ", device->name(), " at ", Hex{range.base}, " is empty"));
  }
  if (range.size_bytes > std::numeric_limits<uint64_t>::max() - range.base) {
    return Error(Concat("the range of ", device->name(), " at ", Hex{range.base}, " with ",
                        Hex{range.size_bytes}, " bytes wraps around the address space"));
  }
  const uint64_t end = range.base + range.size_bytes;
  // The first that ends behind our base; the ranges are disjoint, so no other can overlap before
  // it.
  const auto next = std::ranges::partition_point(entries_, [range](const Entry& entry) {
    return entry.range.base + entry.range.size_bytes <= range.base;
  });
  if (next != entries_.end() && next->range.base < end) {
    return Error(
        Concat(Describe(range, *device), " overlaps ", Describe(next->range, *next->device)));
  }
  entries_.insert(next, Entry{range, std::move(device)});
  return {};
}

bool Bus::Read(uint64_t address, std::span<std::byte> out) const {
  std::ranges::fill(out, std::byte{0});
  const Entry* entry = Find(address, out.size());
  if (entry == nullptr) return false;
  entry->device->Read(address - entry->range.base, out);
  return true;
}

bool Bus::Write(uint64_t address, std::span<const std::byte> in) const {
  const Entry* entry = Find(address, in.size());
  if (entry == nullptr) return false;
  entry->device->Write(address - entry->range.base, in);
  return true;
}

const Bus::Entry* Bus::Find(uint64_t address, size_t len) const {
  // KVM splits an access that crosses a page, so that a guest can make one of three bytes.
  if (!IsAccessLength(len)) return nullptr;
  const auto behind = std::ranges::upper_bound(entries_, address, {},
                                               [](const Entry& entry) { return entry.range.base; });
  if (behind == entries_.begin()) return nullptr;
  const Entry& entry = *std::prev(behind);
  const uint64_t offset = address - entry.range.base;
  if (offset >= entry.range.size_bytes || len > entry.range.size_bytes - offset) return nullptr;
  return &entry;
}

}  // namespace ember
