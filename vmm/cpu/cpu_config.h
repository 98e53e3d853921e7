#ifndef EMBER_VMM_CPU_CPU_CONFIG_H_
#define EMBER_VMM_CPU_CPU_CONFIG_H_

#include <vector>

#include "kvm/cpu_modifiers.h"

namespace ember::vmm {

// What a client changes about the machine's processors and what it wants of the host's KVM. Whether
// the host can do it shows when the machine is built.
struct CpuConfig {
  std::vector<kvm::CapabilityModifier> kvm_capabilities;
  kvm::CpuModifiers modifiers;

  friend bool operator==(const CpuConfig&, const CpuConfig&) = default;
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_CPU_CPU_CONFIG_H_
