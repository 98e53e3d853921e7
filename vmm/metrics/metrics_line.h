#ifndef EMBER_VMM_METRICS_METRICS_LINE_H_
#define EMBER_VMM_METRICS_METRICS_LINE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/metric_group.h"

namespace ember::vmm {

// Writes lines of JSON in the contract's keys: how much each counter has grown since the line that
// was last committed. A line that does not reach its reader is not committed, so that the next says
// what it would have said.
//
// A group that a walk has left out counts from 0 when it is back. One thread at a time.
//
//   VisitMetrics(sources, line.Begin(utc_ms, extras));
//   if (file.Write(line.Finish())) line.Commit();
class MetricsLine {
 public:
  // Room for the line of a machine with a dozen devices.
  static constexpr size_t kReservedBytes = size_t{32} * 1024;

  MetricsLine();

  // Who takes the groups of the new line. `extras` are members of its object, each with a comma
  // after it.
  MetricsVisitor& Begin(uint64_t utc_timestamp_ms, std::string_view extras);
  // The line, newline included; valid until Begin().
  std::string_view Finish();
  void Commit();
  // After Finish(): another walk of the same groups then takes no memory, as in a signal handler.
  void ReserveForNext();

 private:
  // One instance of a group.
  struct Baseline {
    std::string family;
    std::string id;
    std::vector<uint64_t> committed;  // values, by field
    std::vector<MetricReading> now;
  };

  class Visitor final : public MetricsVisitor {
   public:
    explicit Visitor(MetricsLine& line) : line_(line) {}
    void Visit(const MetricGroup& group) override { line_.Add(group); }

   private:
    MetricsLine& line_;
  };

  void Add(const MetricGroup& group);
  // The place of the group's first instance in baselines_; those of the others follow.
  size_t Take(const MetricGroup& group);
  void Place(const MetricGroup& group, size_t at, size_t instance);
  void OpenOwner(MetricOwner owner);
  // A section of the instances from `first` up to `end`.
  void AddSection(const MetricGroup& group, std::string_view id, size_t first, size_t end);
  MetricReading Sum(const MetricGroup& group, size_t field, size_t first, size_t end) const;
  void AddReading(MetricKind kind, const MetricReading& reading);
  void AddName(std::string_view name);
  void AddNumber(uint64_t number);

  Visitor visitor_{*this};
  std::string text_;
  std::vector<Baseline> baselines_;  // in the order of the walk
  size_t next_baseline_ = 0;
  bool in_ours_ = false;
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_METRICS_METRICS_LINE_H_
