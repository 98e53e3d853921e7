#include "virtio/balloon/statistics.h"

#include "base/endian.h"

namespace ember::virtio {

void BalloonStatistics::Update(std::span<const std::byte> entries) {
  for (; entries.size() >= kEntryBytes; entries = entries.subspan(kEntryBytes)) {
    const auto tag = LoadLe<uint16_t>(entries);
    if (tag < values_.size()) values_[tag] = LoadLe<uint64_t>(entries.subspan(sizeof(tag)));
  }
}

}  // namespace ember::virtio
