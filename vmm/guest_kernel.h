#ifndef EMBER_VMM_GUEST_KERNEL_H_
#define EMBER_VMM_GUEST_KERNEL_H_

#include <string>

#include "base/result.h"
#include "firmware/platform.h"
#include "kvm/vcpu.h"
#include "memory/guest_memory.h"
#include "vmm/config.h"

namespace ember::vmm {

struct GuestKernelInputs {
  const GuestMemory& memory;
  const firmware::Platform& platform;  // what the firmware tables say
  const BootSource& boot_source;
  std::string command_line;  // the client's and ours; words of the platform are added to it
};

// Puts the kernel, its initial RAM disk and the firmware tables into guest memory, and the boot
// vCPU at the kernel's entry. Errors name the file. vmm/<architecture>/guest_kernel.cc implements
// it.
Status LoadGuestKernel(const GuestKernelInputs& inputs, const kvm::Vcpu& boot_vcpu);

}  // namespace ember::vmm

#endif  // EMBER_VMM_GUEST_KERNEL_H_
