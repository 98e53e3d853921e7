#include "kvm/capabilities.h"

#include <linux/kvm.h>

#include <algorithm>
#include <array>

#include "base/concat.h"

namespace ember::kvm {

std::span<const Capability> CommonCapabilities() {
  static constexpr std::array kCapabilities = {
      Capability{KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY", "user memory",
                 "giving the guest our memory as its RAM"},
      Capability{KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT", "immediate exit",
                 "stopping a vCPU without a race"},
      Capability{KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP", "in-kernel interrupt controllers",
                 "delivering interrupts to the guest"},
      Capability{KVM_CAP_IRQFD, "KVM_CAP_IRQFD", "irqfd",
                 "raising a device's interrupt from any thread"},
      Capability{KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD", "ioeventfd",
                 "taking a device's doorbell without stopping the vCPU"},
      Capability{KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE", "vCPU run states",
                 "starting and saving secondary vCPUs"},
  };
  return kCapabilities;
}

namespace {

// What the client said last of this capability; null where nothing.
const CapabilityModifier* Find(std::span<const CapabilityModifier> modifiers, int number) {
  const auto said = std::find_if(
      modifiers.rbegin(), modifiers.rend(),
      [number](const CapabilityModifier& modifier) { return modifier.number == number; });
  return said == modifiers.rend() ? nullptr : &*said;
}

}  // namespace

Status CheckCapabilities(std::span<const Capability> needed, const CapabilityQuery& query,
                         const std::string& path, std::span<const CapabilityModifier> modifiers) {
  for (const Capability& capability : needed) {
    const CapabilityModifier* const said = Find(modifiers, capability.number);
    if (said != nullptr && !said->needed) continue;
    if (TRY(query(capability.number)) > 0) continue;
    return Error(Concat(path, " lacks ", capability.name, " (", capability.short_name,
                        "): needed for ", capability.needed_for));
  }
  return {};
}

Status CheckModifiers(std::span<const CapabilityModifier> modifiers, const CapabilityQuery& query,
                      const std::string& path) {
  for (const CapabilityModifier& modifier : modifiers) {
    if (!Find(modifiers, modifier.number)->needed || TRY(query(modifier.number)) > 0) continue;
    return Error(Concat(path, " lacks the capability ", modifier.number,
                        " that kvm_capabilities of the CPU configuration need"));
  }
  return {};
}

Status CheckApiVersion(int version, const std::string& path) {
  if (version == KVM_API_VERSION) return {};
  return Error(Concat(path, " speaks version ", version, " of the KVM interface, not version ",
                      KVM_API_VERSION));
}

}  // namespace ember::kvm
