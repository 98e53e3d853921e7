#include "virtio/balloon/statistics.h"

#include "base/concat.h"
#include "base/endian.h"

namespace ember::virtio {

void BalloonStatistics::Update(std::span<const std::byte> entries) {
  for (; entries.size() >= kEntryBytes; entries = entries.subspan(kEntryBytes)) {
    const auto tag = LoadLe<uint16_t>(entries);
    if (tag < values_.size()) values_[tag] = LoadLe<uint64_t>(entries.subspan(sizeof(tag)));
  }
}

std::vector<StatisticState> BalloonStatistics::Save() const {
  std::vector<StatisticState> statistics;
  for (size_t tag = 0; tag < values_.size(); ++tag) {
    if (values_[tag]) {
      statistics.push_back({.tag = static_cast<uint16_t>(tag), .value = *values_[tag]});
    }
  }
  return statistics;
}

Status BalloonStatistics::Restore(const std::vector<StatisticState>& statistics) {
  for (const StatisticState& statistic : statistics) {
    if (statistic.tag >= values_.size()) {
      return Error(Concat("no statistic has the tag ", statistic.tag));
    }
    values_[statistic.tag] = statistic.value;
  }
  return {};
}

}  // namespace ember::virtio
