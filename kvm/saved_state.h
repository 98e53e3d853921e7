#ifndef EMBER_KVM_SAVED_STATE_H_
#define EMBER_KVM_SAVED_STATE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"
#include "kvm/system.h"
#include "kvm/vcpu.h"
#include "kvm/vm.h"

// What KVM holds of a machine, taken out and put into another one. All of a machine's vCPUs are
// paused meanwhile, and any thread may call; kvm/<architecture>/ implements it.
//
//   saving:    SaveVcpu() of each vCPU, then SaveControllers()
//   restoring: Vm::CreateVcpu() of each, RestoreVcpu() of each, then RestoreControllers(), which
//              hand interrupts to the vCPUs; guest memory and its slots come before all of these
namespace ember::kvm {

// One piece of it: a structure of the kernel's interface, of which KVM's own checks are the judge.
struct StatePart {
  std::string name;  // docs/formats/snapshot.md lists them
  std::vector<std::byte> bytes;

  friend bool operator==(const StatePart&, const StatePart&) = default;
};
using StateParts = std::vector<StatePart>;

// Fails where the host's KVM cannot give or take something below; the error names the capability.
Status CheckStateCapabilities(const System& system);

// All of a vCPU: registers, CPUID answers, its interrupt controller, what is pending.
Result<StateParts> SaveVcpu(const System& system, const Vm& vm, const Vcpu& vcpu);
// Makes a vCPU that was created and never ran what another was. Errors name the vCPU and the part:
// missing, unknown, of a wrong size, or refused by KVM, as where the processor lacks what the
// guest has been shown. Then the vCPU is good for nothing.
Status RestoreVcpu(const System& system, const Vm& vm, const Vcpu& vcpu, const StateParts& parts);

// What the guest's clock shows after its restoration.
enum class ClockMode {
  kAsSaved,   // what it showed when it was saved
  kAdvanced,  // the same and the time since, if KVM had told the time of day
};

// All of the machine that belongs to no vCPU: interrupt controllers, timer, clock.
Result<StateParts> SaveControllers(const Vm& vm);
Status RestoreControllers(const Vm& vm, const StateParts& parts, ClockMode clock);

}  // namespace ember::kvm

#endif  // EMBER_KVM_SAVED_STATE_H_
