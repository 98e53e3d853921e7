#ifndef EMBER_KVM_EXIT_DISPATCH_H_
#define EMBER_KVM_EXIT_DISPATCH_H_

#include <optional>
#include <string>

#include "base/counter.h"
#include "kvm/run_area.h"
#include "kvm/stop_reason.h"

namespace ember {
class Bus;
}

namespace ember::kvm {

// What one vCPU's exits have been. Its thread adds, any thread reads.
struct VcpuMetrics {
  Counter exit_io_in;
  Counter exit_io_out;
  Counter exit_mmio_read;
  Counter exit_mmio_write;
  Counter unclaimed_accesses;  // reads and writes that no device answered
  Counter failures;            // exits that ended the vCPU
};

// Answers the exit that KVM has put into `area`: passes accesses to the device that claims them,
// element by element for string instructions. Reads that no device claims get all ones, as from an
// idle bus; so do those of an odd length, which a guest can make by crossing a page. Nothing: run
// on. A reason: the vCPU ends here, and DescribeStop() says more.
//
// The hot path of every device access: allocates nothing, locks nothing, logs nothing. On the
// vCPU's thread.
std::optional<StopReason> DispatchExit(const RunArea& area, const Bus& mmio, const Bus& pio,
                                       VcpuMetrics& metrics);

// A sentence on the exit that DispatchExit() ended with.
std::string DescribeStop(const RunArea& area, StopReason reason);

}  // namespace ember::kvm

#endif  // EMBER_KVM_EXIT_DISPATCH_H_
