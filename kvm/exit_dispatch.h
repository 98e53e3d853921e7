#ifndef EMBER_KVM_EXIT_DISPATCH_H_
#define EMBER_KVM_EXIT_DISPATCH_H_

#include <optional>
#include <string>

#include "kvm/exit_clock.h"
#include "kvm/run_area.h"
#include "kvm/stop_reason.h"
#include "kvm/vcpu_metrics.h"

namespace ember {
class Bus;
}

namespace ember::kvm {

// Answers the exit that KVM has put into `area`: passes accesses to the device that claims them,
// element by element for string instructions. Reads that no device claims get all ones, as from an
// idle bus; so do those of an odd length, which a guest can make by crossing a page. Nothing: run
// on. A reason: the vCPU ends here, and DescribeStop() says more. `clock` is the vCPU's.
//
// The hot path of every device access: allocates nothing, locks nothing, logs nothing. On the
// vCPU's thread.
std::optional<StopReason> DispatchExit(const RunArea& area, const Bus& mmio, const Bus& pio,
                                       const ExitClock& clock, VcpuMetrics& metrics);

// A sentence on the exit that DispatchExit() ended with.
std::string DescribeStop(const RunArea& area, StopReason reason);

}  // namespace ember::kvm

#endif  // EMBER_KVM_EXIT_DISPATCH_H_
