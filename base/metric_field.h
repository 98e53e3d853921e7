#ifndef EMBER_BASE_METRIC_FIELD_H_
#define EMBER_BASE_METRIC_FIELD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>

#include "base/counter.h"
#include "base/gauge.h"
#include "base/latency.h"

namespace ember {

enum class MetricKind : uint8_t {
  kCounter,  // grows; value
  kGauge,    // the latest of something; value
  kLatency,  // value is the sum, in microseconds, and grows; min_us and max_us
};

// What a metric stands at, since the process began.
struct MetricReading {
  uint64_t value = 0;
  uint64_t min_us = 0;  // 0: there was none
  uint64_t max_us = 0;
};

// One member of a struct of metrics, by the name under which clients read it. A struct has one
// constexpr list of its fields; all that prints metrics goes by these lists:
//
//   inline constexpr MetricField<RngMetrics> kRngMetricFields[] = {
//       {"entropy_bytes", &RngMetrics::entropy_bytes}, …};
template <typename Metrics>
class MetricField {
 public:
  // Of a counter that is put together from others.
  using Total = uint64_t (*)(const Metrics&);

  // The name is kept here: a pointer to it would have to be relocated when the program starts.
  static constexpr size_t kMaxNameBytes = 31;

  template <size_t n>
  constexpr MetricField(const char (&name)[n], Counter Metrics::*member) : member_(member) {
    SetName(name);
  }
  template <size_t n>
  constexpr MetricField(const char (&name)[n], Gauge Metrics::*member) : member_(member) {
    SetName(name);
  }
  template <size_t n>
  constexpr MetricField(const char (&name)[n], LatencyAggregate Metrics::*member)
      : member_(member) {
    SetName(name);
  }
  template <size_t n>
  constexpr MetricField(const char (&name)[n], Total total) : member_(total) {
    SetName(name);
  }

  constexpr std::string_view name() const { return {name_.data(), name_bytes_}; }

  constexpr MetricKind kind() const {
    if (std::holds_alternative<Gauge Metrics::*>(member_)) return MetricKind::kGauge;
    if (std::holds_alternative<LatencyAggregate Metrics::*>(member_)) return MetricKind::kLatency;
    return MetricKind::kCounter;
  }

  MetricReading Read(const Metrics& metrics) const {
    if (const auto* counter = std::get_if<Counter Metrics::*>(&member_)) {
      return {.value = (metrics.**counter).value()};
    }
    if (const auto* gauge = std::get_if<Gauge Metrics::*>(&member_)) {
      return {.value = (metrics.**gauge).value()};
    }
    if (const auto* latency = std::get_if<LatencyAggregate Metrics::*>(&member_)) {
      const LatencyAggregate& aggregate = metrics.**latency;
      return {
          .value = aggregate.sum_us(), .min_us = aggregate.min_us(), .max_us = aggregate.max_us()};
    }
    const auto* total = std::get_if<Total>(&member_);
    return {.value = total == nullptr ? 0 : (*total)(metrics)};
  }

 private:
  template <size_t n>
  constexpr void SetName(const char (&name)[n]) {
    static_assert(n <= kMaxNameBytes + 1);
    for (size_t i = 0; i + 1 < n; ++i) name_[i] = name[i];
    name_bytes_ = n - 1;
  }

  std::array<char, kMaxNameBytes> name_{};
  uint8_t name_bytes_ = 0;
  std::variant<Counter Metrics::*, Gauge Metrics::*, LatencyAggregate Metrics::*, Total> member_;
};

}  // namespace ember

#endif  // EMBER_BASE_METRIC_FIELD_H_
