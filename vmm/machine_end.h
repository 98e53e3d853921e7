#ifndef EMBER_VMM_MACHINE_END_H_
#define EMBER_VMM_MACHINE_END_H_

#include <cstdint>
#include <string>

#include "devices/vm_request.h"
#include "kvm/stop_reason.h"
#include "vmm/exit_code.h"

namespace ember::vmm {

// Who or what ended it.
enum class EndCause : uint8_t { kPowerOff, kReboot, kPanic, kTripleFault, kFailure };

// How a machine ended: what the process exits with, and a sentence for the last line of the log.
struct MachineEnd {
  ExitCode exit_code = ExitCode::kOk;
  std::string reason;
  EndCause cause = EndCause::kFailure;
};

// What a device's request makes of the machine. A crash kernel that takes over ends nothing: the
// caller does not ask then.
MachineEnd EndOf(VmRequest request);
// What the end of a vCPU makes of the machine.
MachineEnd EndOf(const kvm::ExitReport& report);

}  // namespace ember::vmm

#endif  // EMBER_VMM_MACHINE_END_H_
