#include "vmm/metrics/prometheus.h"

#include "base/concat.h"

namespace ember::vmm {

void PrometheusText::Visit(const MetricGroup& group) {
  if (group.instance_count() == 0) return;
  for (size_t field = 0; field < group.field_count(); ++field) {
    if (group.field_kind(field) != MetricKind::kLatency) {
      AddMetric(group, field, Part::kValue, "");
      continue;
    }
    AddMetric(group, field, Part::kValue, "_sum_us");
    AddMetric(group, field, Part::kMin, "_min_us");
    AddMetric(group, field, Part::kMax, "_max_us");
  }
}

// All samples of one name together, as the format wants them. Ids need no escapes: they are
// letters, digits and '_'.
void PrometheusText::AddMetric(const MetricGroup& group, size_t field, Part part,
                               std::string_view suffix) {
  const std::string name =
      Concat("ember_", group.description().family, "_", group.field_name(field), suffix);
  const bool grows = group.field_kind(field) != MetricKind::kGauge && part == Part::kValue;
  text_ += Concat("# TYPE ", name, grows ? " counter\n" : " gauge\n");
  for (size_t i = 0; i < group.instance_count(); ++i) {
    const MetricReading reading = group.Read(i, field);
    const uint64_t value = part == Part::kValue ? reading.value
                           : part == Part::kMin ? reading.min_us
                                                : reading.max_us;
    const std::string_view id = group.instance_id(i);
    text_ += name;
    if (!id.empty()) text_ += Concat("{id=\"", id, "\"}");
    text_ += Concat(" ", value, "\n");
  }
}

}  // namespace ember::vmm
