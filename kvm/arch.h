#ifndef EMBER_KVM_ARCH_H_
#define EMBER_KVM_ARCH_H_

#include <cstdint>
#include <span>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "kvm/capabilities.h"
#include "kvm/system.h"

// What the code in this folder asks of the architecture; CMake picks the folder that answers.
namespace ember::kvm::arch {

// What this architecture needs of the host beyond CommonCapabilities().
std::span<const Capability> Capabilities();
// Whether the processor we run on offers hardware virtualization.
bool CpuHasVirtualization();
// Creates the machine's interrupt controllers and timer in the kernel. Once a VM, after its memory
// is registered and before its first vCPU.
Status CreateInterruptControllers(const Fd& vm_fd);
// How many interrupt lines those controllers have.
uint32_t InterruptLineCount();
// What System::PhysicalAddressBits() answers.
Result<uint32_t> PhysicalAddressBits(const System& system);
// Has the guest's clock know that the vCPU is paused, so that its watchdogs do not take the pause
// for a hang of theirs. While the vCPU does not run. Harmless where the guest has no such clock.
Status NotePause(const Fd& vcpu_fd);
// Where the vCPU's instruction pointer stands, for a report: "rip 0x1000"; empty if unknown.
std::string DescribePosition(const Fd& vcpu_fd);

}  // namespace ember::kvm::arch

#endif  // EMBER_KVM_ARCH_H_
