#include "vmm/metrics/metrics_line.h"

#include <algorithm>
#include <charconv>

namespace ember::vmm {

MetricsLine::MetricsLine() { text_.reserve(kReservedBytes); }

MetricsVisitor& MetricsLine::Begin(uint64_t utc_timestamp_ms, std::string_view extras) {
  next_baseline_ = 0;
  in_ours_ = false;
  text_ = "{";
  AddName("utc_timestamp_ms");
  AddNumber(utc_timestamp_ms);
  text_ += ',';
  text_ += extras;
  text_.pop_back();
  return visitor_;
}

std::string_view MetricsLine::Finish() {
  // What was there in the walk before and no longer is.
  baselines_.erase(baselines_.begin() + static_cast<std::ptrdiff_t>(next_baseline_),
                   baselines_.end());
  text_ += in_ours_ ? "}}\n" : "}\n";
  return text_;
}

void MetricsLine::Commit() {
  for (Baseline& baseline : baselines_) {
    std::ranges::transform(baseline.now, baseline.committed.begin(), &MetricReading::value);
  }
}

// Twice as much is enough even if every number grew to its full length.
void MetricsLine::ReserveForNext() { text_.reserve(2 * text_.size()); }

void MetricsLine::Add(const MetricGroup& group) {
  const size_t first = Take(group);
  const size_t end = first + group.instance_count();
  // Read once, so that the sum is that of the parts.
  for (size_t i = first; i < end; ++i) {
    for (size_t field = 0; field < group.field_count(); ++field) {
      baselines_[i].now[field] = group.Read(i - first, field);
    }
  }
  OpenOwner(group.description().owner);
  const MetricSections sections = group.description().sections;
  if (sections != MetricSections::kEach) AddSection(group, {}, first, end);
  if (sections == MetricSections::kTogether) return;
  for (size_t i = first; i < end; ++i) AddSection(group, group.instance_id(i - first), i, i + 1);
}

size_t MetricsLine::Take(const MetricGroup& group) {
  const size_t first = next_baseline_;
  for (size_t i = 0; i < group.instance_count(); ++i) Place(group, next_baseline_++, i);
  return first;
}

// The walk is the same each time but where a machine has begun or a device has come or gone.
void MetricsLine::Place(const MetricGroup& group, size_t at, size_t instance) {
  const std::string_view family = group.description().family;
  const std::string_view id = group.instance_id(instance);
  const auto is_it = [&](const Baseline& each) { return each.family == family && each.id == id; };
  const auto from = baselines_.begin() + static_cast<std::ptrdiff_t>(at);
  const auto found = std::find_if(from, baselines_.end(), is_it);
  if (found != baselines_.end()) {
    baselines_.erase(from, found);
    return;
  }
  baselines_.insert(from, {.family = std::string(family),
                           .id = std::string(id),
                           .committed = std::vector<uint64_t>(group.field_count()),
                           .now = std::vector<MetricReading>(group.field_count())});
}

// Ours come last and share one key.
void MetricsLine::OpenOwner(MetricOwner owner) {
  if (owner == MetricOwner::kContract || in_ours_) return;
  text_ += ',';
  AddName("ember");
  text_ += '{';
  in_ours_ = true;
}

void MetricsLine::AddSection(const MetricGroup& group, std::string_view id, size_t first,
                             size_t end) {
  if (text_.back() != '{') text_ += ',';
  text_ += '"';
  text_ += group.description().family;
  if (!id.empty()) text_ += '_';
  text_ += id;
  text_ += "\":{";
  for (size_t field = 0; field < group.field_count(); ++field) {
    if (field > 0) text_ += ',';
    AddName(group.field_name(field));
    const bool is_sum_of_sections =
        id.empty() && group.description().sections == MetricSections::kTogetherAndEach;
    MetricReading sum = Sum(group, field, first, end);
    // As in the contract: the sections of each have the extremes.
    if (is_sum_of_sections) sum.min_us = sum.max_us = 0;
    AddReading(group.field_kind(field), sum);
  }
  text_ += '}';
}

MetricReading MetricsLine::Sum(const MetricGroup& group, size_t field, size_t first,
                               size_t end) const {
  MetricReading sum;
  for (size_t i = first; i < end; ++i) {
    const MetricReading& now = baselines_[i].now[field];
    const bool grows = group.field_kind(field) != MetricKind::kGauge;
    sum.value += grows ? now.value - baselines_[i].committed[field] : now.value;
    sum.max_us = std::max(sum.max_us, now.max_us);
    if (now.max_us != 0) {
      sum.min_us = sum.min_us == 0 ? now.min_us : std::min(sum.min_us, now.min_us);
    }
  }
  return sum;
}

void MetricsLine::AddReading(MetricKind kind, const MetricReading& reading) {
  if (kind != MetricKind::kLatency) return AddNumber(reading.value);
  text_ += '{';
  AddName("min_us");
  AddNumber(reading.min_us);
  text_ += ',';
  AddName("max_us");
  AddNumber(reading.max_us);
  text_ += ',';
  AddName("sum_us");
  AddNumber(reading.value);
  text_ += '}';
}

// Names are ours, and letters, digits and '_'.
void MetricsLine::AddName(std::string_view name) {
  text_ += '"';
  text_ += name;
  text_ += "\":";
}

void MetricsLine::AddNumber(uint64_t number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof(digits), number);
  text_.append(digits, end.ptr);
}

}  // namespace ember::vmm
