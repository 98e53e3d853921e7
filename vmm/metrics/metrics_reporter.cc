#include "vmm/metrics/metrics_reporter.h"

#include <sched.h>
#include <time.h>

#include <utility>

#include "base/concat.h"
#include "base/log.h"
#include "vmm/metrics/prometheus.h"

namespace ember::vmm {
namespace {

uint64_t UtcTimestampMs() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

}  // namespace

// Keeps signal handlers off.
class MetricsReporter::Busy {
 public:
  explicit Busy(std::atomic<bool>& flag) : flag_(flag) {
    // Only a handler on another thread can have it, which is done in no time and ends the process.
    while (flag_.exchange(true, std::memory_order_acquire)) ::sched_yield();
  }
  ~Busy() { flag_.store(false, std::memory_order_release); }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  std::atomic<bool>& flag_;
};

MetricsReporter::MetricsReporter(EventLoop& loop, ControlMetrics& control,
                                 const mmds::MmdsMetrics& mmds, std::string instance_id,
                                 std::chrono::nanoseconds period)
    : loop_(loop),
      control_(control),
      mmds_(mmds),
      instance_id_(std::move(instance_id)),
      period_(period) {}

Status MetricsReporter::Configure(const MetricsConfig& metrics) {
  if (metrics.metrics_path.empty()) return Error("metrics_path is empty");
  if (file_) {
    return Error(
        "Cannot initialize the metrics system due to bad user input: Reinitialization of metrics "
        "not allowed.");
  }
  MetricsFile file = TRY_CONTEXT(MetricsFile::Open(metrics.metrics_path), "metrics_path");
  {
    const Busy busy(busy_);
    extras_ = LineExtras(metrics, instance_id_);
    line_ = std::make_unique<MetricsLine>();
    file_.emplace(std::move(file));
  }
  at_fatal_signal_.emplace(
      [](void* reporter) { static_cast<MetricsReporter*>(reporter)->FlushInSignalHandler(); },
      this);
  return {};
}

void MetricsReporter::Start(MachineMetrics machine) {
  {
    const Busy busy(busy_);
    machine_ = std::move(machine);
    handler_needs_memory_ = true;
  }
  if (file_) FlushAndGoOn();
}

void MetricsReporter::FlushAndGoOn() {
  FlushOrWarn();
  Result<EventLoop::Watch> timer = loop_.CallAfter(period_, [this] { FlushAndGoOn(); });
  if (timer) {
    timer_.emplace(*std::move(timer));
  } else {
    EMBER_LOG(kError, "metrics: no more lines will follow: ", timer.error().message());
  }
}

void MetricsReporter::FlushOrWarn() {
  if (Status flushed = Flush(); !flushed) {
    EMBER_LOG_LIMITED(kWarning, flushed.error().message());
  }
}

void MetricsReporter::EndMachine() {
  FlushOrWarn();
  timer_.reset();
  const Busy busy(busy_);
  machine_ = {};
  if (line_) {
    // A walk without the machine, so that the counts of the next are not taken for its own.
    VisitMetrics(sources(), line_->Begin(0, extras_));
    line_->Finish();
  }
}

void MetricsReporter::End() {
  FlushOrWarn();
  at_fatal_signal_.reset();
  timer_.reset();
  const Busy busy(busy_);
  file_.reset();
  machine_ = {};
}

Status MetricsReporter::Flush() {
  if (!file_) return {};
  const Busy busy(busy_);
  return WriteLine();
}

Status MetricsReporter::WriteLine() {
  VisitMetrics(sources(), line_->Begin(UtcTimestampMs(), extras_));
  const Result<MetricsFile::Outcome> outcome = file_->Write(line_->Finish());
  line_->ReserveForNext();
  handler_needs_memory_ = false;
  if (outcome && *outcome == MetricsFile::Outcome::kWritten) {
    line_->Commit();
    return {};
  }
  control_.logger.missed_metrics_count.Add();
  if (outcome) return Error("Failed to write metrics: nobody has read the FIFO, and it is full");
  control_.logger.metrics_fails.Add();
  return Error(Concat("Failed to write metrics: ", outcome.error().message()));
}

void MetricsReporter::FlushInSignalHandler() {
  if (busy_.exchange(true, std::memory_order_acquire)) return;
  if (file_ && !handler_needs_memory_) {
    VisitMetrics(sources(), line_->Begin(UtcTimestampMs(), extras_));
    file_->WriteInSignalHandler(line_->Finish());
  }
  busy_.store(false, std::memory_order_release);
}

std::string MetricsReporter::Prometheus() const {
  PrometheusText text;
  VisitMetrics(sources(), text);
  return std::move(text).Take();
}

MetricSources MetricsReporter::sources() const {
  return {.control = control_, .mmds = mmds_, .machine = machine_};
}

}  // namespace ember::vmm
