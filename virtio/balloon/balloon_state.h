#ifndef EMBER_VIRTIO_BALLOON_BALLOON_STATE_H_
#define EMBER_VIRTIO_BALLOON_BALLOON_STATE_H_

#include <cstdint>
#include <optional>
#include <vector>

// What a balloon remembers beside its queues, for a snapshot. Plain data.
namespace ember::snapshot {
class Fields;
}

namespace ember::virtio {

struct StatisticState {
  uint16_t tag = 0;  // BalloonStatistic
  uint64_t value = 0;
};

struct HintingState {
  uint32_t host_command = 0;
  std::optional<uint32_t> guest_command;
  uint32_t last_id = 0;
  bool acknowledges_stop = true;
};

struct BalloonState {
  uint32_t target_pages = 0;
  uint32_t actual_pages = 0;
  uint64_t statistics_interval_ns = 0;  // 0: no statistics
  std::vector<StatisticState> statistics;
  HintingState hinting;
};

void Describe(snapshot::Fields& fields, StatisticState& statistic);
void Describe(snapshot::Fields& fields, HintingState& hinting);
void Describe(snapshot::Fields& fields, BalloonState& balloon);

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_BALLOON_BALLOON_STATE_H_
