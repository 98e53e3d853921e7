#ifndef EMBER_VMM_PROCESSORS_H_
#define EMBER_VMM_PROCESSORS_H_

#include <memory>
#include <vector>

#include "base/result.h"
#include "kvm/system.h"
#include "kvm/vcpu.h"
#include "kvm/vm.h"
#include "vmm/config.h"

namespace ember::vmm {

// Makes the machine's vCPUs, as firmware would leave them: all but the boot vCPU's entry point. The
// first one boots. Fails where the host cannot make of them what the configuration's template or
// modifiers want. vmm/<architecture>/processors.cc implements it.
Result<std::vector<std::unique_ptr<kvm::Vcpu>>> CreateProcessors(const kvm::System& system,
                                                                 kvm::Vm& vm,
                                                                 const VmConfig& config);

}  // namespace ember::vmm

#endif  // EMBER_VMM_PROCESSORS_H_
