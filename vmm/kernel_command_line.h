#ifndef EMBER_VMM_KERNEL_COMMAND_LINE_H_
#define EMBER_VMM_KERNEL_COMMAND_LINE_H_

#include <string>

#include "vmm/config.h"

namespace ember::vmm {

// The client's command line of a machine that has a boot source, with the words that name its root
// device, as the API's contract adds them: for the kernel, so before a "--". Pure; any thread.
std::string KernelCommandLine(const VmConfig& config);

}  // namespace ember::vmm

#endif  // EMBER_VMM_KERNEL_COMMAND_LINE_H_
