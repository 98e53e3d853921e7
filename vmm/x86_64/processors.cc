#include "vmm/processors.h"

#include <utility>

#include "base/concat.h"
#include "kvm/x86_64/cpu_model.h"
#include "kvm/x86_64/cpuid.h"
#include "kvm/x86_64/vcpu_setup.h"

namespace ember::vmm {

Result<std::vector<std::unique_ptr<kvm::Vcpu>>> CreateProcessors(const kvm::System& system,
                                                                 kvm::Vm& vm,
                                                                 const MachineConfig& machine) {
  if (machine.vcpu_count > system.max_vcpus()) {
    return Error(Concat("vcpu_count ", machine.vcpu_count, " exceeds the host's limit ",
                        system.max_vcpus()));
  }
  const std::vector<kvm::x86_64::CpuidEntry> supported =
      TRY(kvm::x86_64::ReadSupportedCpuid(system));
  const kvm::x86_64::CpuTopology topology{
      .vcpu_count = machine.vcpu_count,
      .threads_per_core = machine.smt && machine.vcpu_count > 1 ? 2U : 1U};
  std::vector<std::unique_ptr<kvm::Vcpu>> vcpus;
  for (uint32_t i = 0; i < machine.vcpu_count; ++i) {
    vcpus.push_back(TRY(vm.CreateVcpu(kvm::VcpuIndex{i})));
    TRY(kvm::x86_64::SetUpVcpu(*vcpus.back(), supported, topology));
  }
  return vcpus;
}

}  // namespace ember::vmm
