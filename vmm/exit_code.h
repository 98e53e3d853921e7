#ifndef EMBER_VMM_EXIT_CODE_H_
#define EMBER_VMM_EXIT_CODE_H_

#include <cstdint>

namespace ember::vmm {

// How the process ends. 0 to 2 and 148 to 157 are the contract's that clients know
// (docs/exit_codes.md); 3 to 9 are ours and say what became of the guest.
enum class ExitCode : uint8_t {
  kOk = 0,              // the guest powered off or rebooted
  kGenericError = 1,    // a host failure; the log names it
  kGuestPanic = 3,      // the guest reported a panic
  kTripleFault = 4,     // the guest's processor shut down
  kInternalError = 5,   // KVM could not go on with the guest
  kEntryFailure = 6,    // the processor refused the guest's state
  kUnexpectedExit = 7,  // KVM ended a vCPU for a reason we do not know
  kBadSystemCall = 148,
  kBusError = 149,
  kSegmentationFault = 150,
  kFileSizeLimit = 151,
  kBadConfiguration = 152,
  kBadArguments = 153,
  kCpuTimeLimit = 154,
  kBrokenPipe = 155,
  kHangUp = 156,
  kIllegalInstruction = 157,
};

constexpr int ToInteger(ExitCode code) { return static_cast<int>(code); }

}  // namespace ember::vmm

#endif  // EMBER_VMM_EXIT_CODE_H_
