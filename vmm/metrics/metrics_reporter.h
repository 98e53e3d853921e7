#ifndef EMBER_VMM_METRICS_METRICS_REPORTER_H_
#define EMBER_VMM_METRICS_METRICS_REPORTER_H_

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/event_loop.h"
#include "base/fatal_signals.h"
#include "base/result.h"
#include "vmm/metrics/control_metrics.h"
#include "vmm/metrics/machine_metrics.h"
#include "vmm/metrics/metrics_config.h"
#include "vmm/metrics/metrics_file.h"
#include "vmm/metrics/metrics_line.h"
#include "vmm/metrics/walk.h"

namespace ember::vmm {

// Tells of what the process counts: lines to a file, when asked, from the machine's start on every
// minute, and at the end, also where a signal ends the process; and text for who asks. Loop thread,
// or while the loop does not run; only FlushInSignalHandler() comes from anywhere.
class MetricsReporter {
 public:
  static constexpr std::chrono::seconds kPeriod{60};

  // The first three must outlive the reporter.
  MetricsReporter(EventLoop& loop, ControlMetrics& control, const mmds::MmdsMetrics& mmds,
                  std::string instance_id, std::chrono::nanoseconds period = kPeriod);
  MetricsReporter(const MetricsReporter&) = delete;
  MetricsReporter& operator=(const MetricsReporter&) = delete;

  // Opens the file that lines go to. Once; after an error again.
  Status Configure(const MetricsConfig& metrics);
  // The machine runs, and what `machine` borrows lives until EndMachine() or End(): a first line at
  // once, then one each period.
  void Start(MachineMetrics machine);
  // The last line of a machine that is about to end. Another may start.
  void EndMachine();
  // The last line. After it there is nothing to report.
  void End();

  // A line now. Does nothing where there is no file. A line that is lost is counted and made up for
  // by the next; the error says why.
  Status Flush();
  // The same unless a flush is under way or this would be a machine's first line;
  // async-signal-safe. For a process that ends at once.
  void FlushInSignalHandler();

  std::string Prometheus() const;

 private:
  class Busy;

  void FlushAndGoOn();
  void FlushOrWarn();
  Status WriteLine();
  MetricSources sources() const;

  EventLoop& loop_;
  ControlMetrics& control_;
  const mmds::MmdsMetrics& mmds_;
  const std::string instance_id_;
  const std::chrono::nanoseconds period_;

  std::optional<EventLoop::Watch> timer_;
  // Held over a flush and any change of what it uses, so that a handler keeps off, and by a handler
  // at work, for which others wait. Acquire by who takes it, release by who gives it back.
  std::atomic<bool> busy_{false};

  // Under busy_.
  std::string extras_;  // of each line
  MachineMetrics machine_;
  std::unique_ptr<MetricsLine> line_;  // with its file: memory that only those need who want lines
  std::optional<MetricsFile> file_;
  bool handler_needs_memory_ = true;  // the first line of a machine takes some

  // Last: it uses the others. Where there is a file.
  std::optional<FatalCleanup> at_fatal_signal_;
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_METRICS_METRICS_REPORTER_H_
