#ifndef EMBER_KVM_STOP_REASON_H_
#define EMBER_KVM_STOP_REASON_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace ember::kvm {

// Why a vCPU can go on no further.
enum class StopReason : uint8_t {
  kHalt,           // HLT came to us: nothing is left that could wake the vCPU
  kTripleFault,    // KVM_EXIT_SHUTDOWN: a fault while it handled a double fault
  kGuestShutdown,  // system events: the guest asked its firmware
  kGuestReset,
  kGuestCrash,
  kInternalError,   // KVM itself gave up, as a rule on an instruction it cannot emulate
  kEntryFailure,    // the processor refused the guest's state
  kUnexpectedExit,  // an exit that KVM makes only for machines not set up as ours are
  kHostFailure,     // KVM_RUN failed, or KVM reported an access that makes no sense
};

// Its name for logs and metrics: "triple fault".
std::string_view Name(StopReason reason);

// The end of a vCPU. A plain value.
struct ExitReport {
  StopReason reason = StopReason::kUnexpectedExit;
  std::string
      details;  // a sentence; holds what KVM told, never guest memory beyond one instruction
};

}  // namespace ember::kvm

#endif  // EMBER_KVM_STOP_REASON_H_
