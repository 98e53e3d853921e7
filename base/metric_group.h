#ifndef EMBER_BASE_METRIC_GROUP_H_
#define EMBER_BASE_METRIC_GROUP_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/metric_field.h"

namespace ember {

// How a family of metrics shows in a line of the contract's.
enum class MetricSections : uint8_t {
  kTogether,         // one section, the sum of all
  kTogetherAndEach,  // the sum, and one more for each id
  kEach,             // one for each id
};

// Whose key the section is.
enum class MetricOwner : uint8_t { kContract, kEmber };

// All metrics of one kind of thing, as what prints them sees it: a table of fields by instances.
// Lives for the visit; the metrics themselves are read when asked for. One thread.
class MetricGroup {
 public:
  struct Description {
    std::string_view family;  // "block"
    MetricSections sections = MetricSections::kTogether;
    MetricOwner owner = MetricOwner::kContract;
  };

  virtual ~MetricGroup() = default;
  const Description& description() const { return description_; }

  virtual size_t field_count() const = 0;
  virtual std::string_view field_name(size_t field) const = 0;
  virtual MetricKind field_kind(size_t field) const = 0;
  virtual size_t instance_count() const = 0;
  // Empty where there can be one only.
  virtual std::string_view instance_id(size_t instance) const = 0;
  virtual MetricReading Read(size_t instance, size_t field) const = 0;

 protected:
  explicit MetricGroup(const Description& description) : description_(description) {}

 private:
  const Description description_;
};

// Is shown each group of a walk.
class MetricsVisitor {
 public:
  virtual ~MetricsVisitor() = default;
  virtual void Visit(const MetricGroup& group) = 0;
};

// The metrics of one thing. Both are borrowed.
template <typename Metrics>
struct MetricInstance {
  std::string_view id;
  const Metrics* metrics;
};

// A group over the list of fields of a struct. Takes no memory.
template <typename Metrics>
class StructMetricGroup final : public MetricGroup {
 public:
  // Borrows both lists.
  StructMetricGroup(const Description& description, std::span<const MetricField<Metrics>> fields,
                    std::span<const MetricInstance<Metrics>> instances)
      : MetricGroup(description), fields_(fields), instances_(instances) {}

  size_t field_count() const override { return fields_.size(); }
  std::string_view field_name(size_t field) const override { return fields_[field].name(); }
  MetricKind field_kind(size_t field) const override { return fields_[field].kind(); }
  size_t instance_count() const override { return instances_.size(); }
  std::string_view instance_id(size_t instance) const override { return instances_[instance].id; }
  MetricReading Read(size_t instance, size_t field) const override {
    return fields_[field].Read(*instances_[instance].metrics);
  }

 private:
  const std::span<const MetricField<Metrics>> fields_;
  const std::span<const MetricInstance<Metrics>> instances_;
};

}  // namespace ember

#endif  // EMBER_BASE_METRIC_GROUP_H_
