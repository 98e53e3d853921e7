#include "kvm/exit_dispatch.h"

#include <linux/kvm.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "devices/bus.h"

namespace ember::kvm {
namespace {

constexpr std::byte kIdleBus{0xff};

// Adds the time from its making to its end.
class Stopwatch {
 public:
  Stopwatch(const ExitClock& clock, LatencyAggregate& latency)
      : clock_(clock), latency_(latency), begin_(clock.Now()) {}
  ~Stopwatch() { latency_.Add(clock_.Since(begin_)); }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  const ExitClock& clock_;
  LatencyAggregate& latency_;
  const uint64_t begin_;
};

void ReadFrom(const Bus& bus, uint64_t address, std::span<std::byte> out, VcpuMetrics& metrics) {
  if (bus.Read(address, out)) return;
  std::ranges::fill(out, kIdleBus);
  metrics.unclaimed_accesses.Add();
}

void WriteTo(const Bus& bus, uint64_t address, std::span<const std::byte> in,
             VcpuMetrics& metrics) {
  if (bus.Write(address, in)) return;
  metrics.unclaimed_accesses.Add();
}

std::optional<StopReason> DispatchPio(const RunArea& area, const Bus& pio, const ExitClock& clock,
                                      VcpuMetrics& metrics) {
  const auto& io = area.header().io;
  const size_t size = io.size;
  if (size == 0 || size > sizeof(uint32_t)) return StopReason::kHostFailure;
  // Cannot overflow: 32 bits times 3 bits.
  std::span<std::byte> data = area.Slice(io.data_offset, uint64_t{io.count} * size);
  if (data.empty()) return StopReason::kHostFailure;

  const bool is_in = io.direction == KVM_EXIT_IO_IN;
  (is_in ? metrics.exit_io_in : metrics.exit_io_out).AddAlone();
  const Stopwatch stopwatch(clock, is_in ? metrics.exit_io_in_agg : metrics.exit_io_out_agg);
  // A string instruction accesses the same port `count` times.
  for (; !data.empty(); data = data.subspan(size)) {
    if (is_in) {
      ReadFrom(pio, io.port, data.first(size), metrics);
    } else {
      WriteTo(pio, io.port, data.first(size), metrics);
    }
  }
  return std::nullopt;
}

std::optional<StopReason> DispatchMmio(const RunArea& area, const Bus& mmio, const ExitClock& clock,
                                       VcpuMetrics& metrics) {
  auto& access = area.header().mmio;
  if (access.len == 0 || access.len > sizeof(access.data)) return StopReason::kHostFailure;
  const std::span<std::byte> data =
      std::as_writable_bytes(std::span(access.data)).first(access.len);
  const bool is_write = access.is_write != 0;
  const Stopwatch stopwatch(clock,
                            is_write ? metrics.exit_mmio_write_agg : metrics.exit_mmio_read_agg);
  if (is_write) {
    metrics.exit_mmio_write.AddAlone();
    WriteTo(mmio, access.phys_addr, data, metrics);
  } else {
    metrics.exit_mmio_read.AddAlone();
    ReadFrom(mmio, access.phys_addr, data, metrics);
  }
  return std::nullopt;
}

StopReason SystemEventReason(uint32_t type) {
  switch (type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN:
      return StopReason::kGuestShutdown;
    case KVM_SYSTEM_EVENT_RESET:
      return StopReason::kGuestReset;
    case KVM_SYSTEM_EVENT_CRASH:
      return StopReason::kGuestCrash;
    default:
      return StopReason::kUnexpectedExit;
  }
}

std::optional<StopReason> DispatchOther(const kvm_run& run) {
  switch (run.exit_reason) {
    case KVM_EXIT_INTR:
      return std::nullopt;
    case KVM_EXIT_HLT:
      return StopReason::kHalt;
    case KVM_EXIT_SHUTDOWN:
      return StopReason::kTripleFault;
    case KVM_EXIT_SYSTEM_EVENT:
      return SystemEventReason(run.system_event.type);
    case KVM_EXIT_INTERNAL_ERROR:
      return StopReason::kInternalError;
    case KVM_EXIT_FAIL_ENTRY:
      return StopReason::kEntryFailure;
    default:
      return StopReason::kUnexpectedExit;
  }
}

std::optional<StopReason> Dispatch(const RunArea& area, const Bus& mmio, const Bus& pio,
                                   const ExitClock& clock, VcpuMetrics& metrics) {
  switch (area.header().exit_reason) {
    case KVM_EXIT_IO:
      return DispatchPio(area, pio, clock, metrics);
    case KVM_EXIT_MMIO:
      return DispatchMmio(area, mmio, clock, metrics);
    default:
      return DispatchOther(area.header());
  }
}

}  // namespace

std::optional<StopReason> DispatchExit(const RunArea& area, const Bus& mmio, const Bus& pio,
                                       const ExitClock& clock, VcpuMetrics& metrics) {
  const std::optional<StopReason> stop = Dispatch(area, mmio, pio, clock, metrics);
  if (stop) metrics.failures.Add();
  return stop;
}

}  // namespace ember::kvm
