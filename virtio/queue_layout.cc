#include "virtio/queue_layout.h"

#include <array>
#include <bit>
#include <string_view>

#include "base/concat.h"

namespace ember::virtio {
namespace {

struct Part {
  std::string_view name;
  GuestRange range;
  uint64_t alignment_bytes;
};

bool Overlap(const GuestRange& a, const GuestRange& b) {
  return a.Contains(b.start) || b.Contains(a.start);
}

Result<std::byte*> ResolvePart(const Part& part, const GuestMemory& memory) {
  if (part.range.start == GuestAddress{}) return Error(Concat(part.name, " is not set"));
  if (ToInteger(part.range.start) % part.alignment_bytes != 0) {
    return Error(Concat(part.name, " at ", part.range.start, " is not a multiple of ",
                        part.alignment_bytes));
  }
  return TRY_CONTEXT(memory.HostSpan(part.range.start, part.range.size_bytes), part.name).data();
}

}  // namespace

Result<QueueRings> ResolveQueueRings(const QueueConfig& config, QueueSize max_size,
                                     const GuestMemory& memory) {
  const uint16_t size = ToInteger(config.size);
  if (!std::has_single_bit(size) || config.size > max_size) {
    return Error(Concat("queue size ", size, " is not a power of two up to ", ToInteger(max_size)));
  }
  const std::array<Part, 3> parts{{
      {"descriptor table", {config.descriptors, DescriptorTableBytes(config.size)}, 16},
      {"available ring", {config.available, AvailableRingBytes(config.size)}, 2},
      {"used ring", {config.used, UsedRingBytes(config.size)}, 4},
  }};
  std::array<std::byte*, 3> hosts{};
  for (size_t i = 0; i < parts.size(); ++i) {
    hosts[i] = TRY(ResolvePart(parts[i], memory));
    for (size_t before = 0; before < i; ++before) {
      if (Overlap(parts[i].range, parts[before].range)) {
        return Error(Concat(parts[i].name, " at ", parts[i].range.start, " overlaps ",
                            parts[before].name, " at ", parts[before].range.start));
      }
    }
  }
  return QueueRings{.descriptors = hosts[0], .available = hosts[1], .used = hosts[2]};
}

}  // namespace ember::virtio
