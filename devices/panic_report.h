#ifndef EMBER_DEVICES_PANIC_REPORT_H_
#define EMBER_DEVICES_PANIC_REPORT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/counter.h"
#include "base/metric_field.h"
#include "devices/bus_device.h"
#include "devices/vm_request.h"

namespace ember {

// The pvpanic interface of QEMU's docs/specs/pvpanic: one byte, in port or MMIO space. Read, it
// says which reports it takes (<misc/pvpanic.h>); written, it is a report. Any thread; it has no
// state.
class PanicReport final : public BusDevice {
 public:
  static constexpr uint64_t kRegisterBytes = 1;

  struct Metrics {
    Counter panics;
    Counter crash_loads;
    Counter bad_accesses;  // not one byte
  };

  // `machine` must outlive it.
  explicit PanicReport(VmRequestSink& machine) : machine_(machine) {}

  std::string_view name() const override { return "panic report"; }
  void Read(uint64_t offset, std::span<std::byte> out) override;
  void Write(uint64_t offset, std::span<const std::byte> in) override;

  const Metrics& metrics() const { return metrics_; }

 private:
  VmRequestSink& machine_;
  Metrics metrics_;
};

inline constexpr MetricField<PanicReport::Metrics> kPanicReportMetricFields[] = {
    {"panics", &PanicReport::Metrics::panics},
    {"crash_loads", &PanicReport::Metrics::crash_loads},
    {"bad_accesses", &PanicReport::Metrics::bad_accesses},
};

}  // namespace ember

#endif  // EMBER_DEVICES_PANIC_REPORT_H_
