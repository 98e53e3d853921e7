#include "virtio/balloon/balloon_state.h"

#include "snapshot/fields.h"

namespace ember::virtio {

void Describe(snapshot::Fields& fields, StatisticState& statistic) {
  fields.Add("tag", statistic.tag);
  fields.Add("value", statistic.value);
}

void Describe(snapshot::Fields& fields, HintingState& hinting) {
  fields.Add("host_command", hinting.host_command);
  fields.Add("guest_command", hinting.guest_command);
  fields.Add("last_id", hinting.last_id);
  fields.Add("acknowledges_stop", hinting.acknowledges_stop);
}

void Describe(snapshot::Fields& fields, BalloonState& balloon) {
  fields.Add("target_pages", balloon.target_pages);
  fields.Add("actual_pages", balloon.actual_pages);
  fields.Add("statistics_interval_ns", balloon.statistics_interval_ns);
  fields.Add("statistics", balloon.statistics);
  fields.Add("hinting", balloon.hinting);
}

}  // namespace ember::virtio
