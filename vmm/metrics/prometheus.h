#ifndef EMBER_VMM_METRICS_PROMETHEUS_H_
#define EMBER_VMM_METRICS_PROMETHEUS_H_

#include <string>
#include <string_view>
#include <utility>

#include "base/metric_group.h"

namespace ember::vmm {

// Writes what each metric stands at in the text format of Prometheus (exposition format 0.0.4): a
// metric ember_<family>_<field>, with the id as a label where there are several. A latency becomes
// three: _sum_us, which grows, _min_us and _max_us. What the machine does not have is not there.
class PrometheusText final : public MetricsVisitor {
 public:
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

  void Visit(const MetricGroup& group) override;
  std::string Take() && { return std::move(text_); }

 private:
  enum class Part : uint8_t { kValue, kMin, kMax };

  void AddMetric(const MetricGroup& group, size_t field, Part part, std::string_view suffix);

  std::string text_;
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_METRICS_PROMETHEUS_H_
