#include "kvm/x86_64/vcpu_setup.h"

#include "base/concat.h"
#include "kvm/x86_64/fpu.h"
#include "kvm/x86_64/lapic.h"
#include "kvm/x86_64/msrs.h"

namespace ember::kvm::x86_64 {
namespace {

constexpr VcpuIndex kBootVcpu{0};

Status SetUp(const Vcpu& vcpu, std::span<const CpuidEntry> supported, const CpuTopology& topology,
             std::span<const MsrModifier> msr_modifiers) {
  TRY(SetCpuid(vcpu, BuildCpuid(supported, topology, vcpu.index())));
  TRY(ModifyMsrs(vcpu, msr_modifiers));
  TRY(SetBootMsrs(vcpu));
  TRY(SetBootFpu(vcpu));
  if (vcpu.index() == kBootVcpu) TRY(SetLocalInterruptPins(vcpu));
  return {};
}

}  // namespace

Status SetUpVcpu(const Vcpu& vcpu, std::span<const CpuidEntry> supported,
                 const CpuTopology& topology, std::span<const MsrModifier> msr_modifiers) {
  TRY_CONTEXT(SetUp(vcpu, supported, topology, msr_modifiers),
              Concat("vCPU ", static_cast<uint32_t>(vcpu.index())));
  return {};
}

}  // namespace ember::kvm::x86_64
