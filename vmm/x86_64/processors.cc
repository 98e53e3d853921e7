#include "vmm/processors.h"

#include <utility>

#include "base/concat.h"
#include "base/log.h"
#include "kvm/x86_64/cpu_model.h"
#include "kvm/x86_64/cpu_templates.h"
#include "kvm/x86_64/cpuid.h"
#include "kvm/x86_64/cpuid_modifiers.h"
#include "kvm/x86_64/vcpu_setup.h"

namespace ember::vmm {
namespace {

namespace x86_64 = kvm::x86_64;
using x86_64::CpuidEntry;
using x86_64::TemplateName;

// What the client wants changed, by its own words or by a template's name.
Result<kvm::CpuModifiers> Modifiers(const VmConfig& config, std::span<const CpuidEntry> supported) {
  if (config.cpu) return config.cpu->modifiers;
  switch (config.machine.cpu_template) {
    case CpuTemplate::kNone:
      return kvm::CpuModifiers{};
    case CpuTemplate::kC3:
      return x86_64::TemplateModifiers(TemplateName::kC3, supported);
    case CpuTemplate::kT2:
      return x86_64::TemplateModifiers(TemplateName::kT2, supported);
    case CpuTemplate::kT2S:
      return x86_64::TemplateModifiers(TemplateName::kT2S, supported);
    case CpuTemplate::kT2CL:
      return x86_64::TemplateModifiers(TemplateName::kT2CL, supported);
    case CpuTemplate::kT2A:
      return x86_64::TemplateModifiers(TemplateName::kT2A, supported);
    case CpuTemplate::kV1N1:
      break;
  }
  return Error("cpu_template V1N1 is for aarch64; this host is x86_64");
}

x86_64::CpuTopology Topology(const MachineConfig& machine) {
  return {.vcpu_count = machine.vcpu_count,
          .threads_per_core = machine.smt && machine.vcpu_count > 1 ? 2U : 1U};
}

// What the client asked for and does not get, where it can be read.
void LogOverruled(std::span<const CpuidEntry> supported, const x86_64::CpuTopology& topology,
                  std::span<const kvm::CpuidModifier> modifiers) {
  const auto cpuid = x86_64::BuildCpuid(supported, topology, kvm::VcpuIndex{0});
  for (const std::string& sentence : x86_64::DescribeOverruled(cpuid, modifiers)) {
    EMBER_LOG_LIMITED(kWarning, sentence);
  }
}

}  // namespace

Result<std::vector<std::unique_ptr<kvm::Vcpu>>> CreateProcessors(const kvm::System& system,
                                                                 kvm::Vm& vm,
                                                                 const VmConfig& config) {
  const MachineConfig& machine = config.machine;
  if (machine.vcpu_count > system.max_vcpus()) {
    return Error(Concat("vcpu_count ", machine.vcpu_count, " exceeds the host's limit ",
                        system.max_vcpus()));
  }
  std::vector<CpuidEntry> supported = TRY(x86_64::ReadSupportedCpuid(system));
  const kvm::CpuModifiers modifiers = TRY(Modifiers(config, supported));
  supported = TRY(x86_64::ApplyCpuidModifiers(std::move(supported), modifiers.cpuid));
  const x86_64::CpuTopology topology = Topology(machine);
  if (!modifiers.cpuid.empty()) LogOverruled(supported, topology, modifiers.cpuid);
  std::vector<std::unique_ptr<kvm::Vcpu>> vcpus;
  for (uint32_t i = 0; i < machine.vcpu_count; ++i) {
    vcpus.push_back(TRY(vm.CreateVcpu(kvm::VcpuIndex{i})));
    TRY(x86_64::SetUpVcpu(*vcpus.back(), supported, topology, modifiers.msrs));
  }
  return vcpus;
}

}  // namespace ember::vmm
