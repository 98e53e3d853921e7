#ifndef EMBER_KVM_CAPABILITIES_H_
#define EMBER_KVM_CAPABILITIES_H_

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "kvm/cpu_modifiers.h"

namespace ember::kvm {

// Something that a host's KVM must be able to do for a machine of ours to run.
struct Capability {
  int number = 0;               // KVM_CAP_…
  std::string_view name;        // "KVM_CAP_IRQFD"
  std::string_view short_name;  // "irqfd"
  std::string_view needed_for;  // completes "needed for "
};

// What every architecture needs. kvm/arch.h has the rest.
std::span<const Capability> CommonCapabilities();

// Asks the host for one capability: 0 if it lacks it (KVM_CHECK_EXTENSION).
using CapabilityQuery = std::function<Result<int>(int number)>;

// Fails for the first of `needed` that the host lacks or will not tell of: "/dev/kvm lacks
// KVM_CAP_IRQFD (irqfd): needed for …". `path` is for the error. What a client says is not needed
// is not looked for.
Status CheckCapabilities(std::span<const Capability> needed, const CapabilityQuery& query,
                         const std::string& path,
                         std::span<const CapabilityModifier> modifiers = {});
// Fails for the first capability that a client needs and the host lacks.
Status CheckModifiers(std::span<const CapabilityModifier> modifiers, const CapabilityQuery& query,
                      const std::string& path);
// Fails unless the host speaks the one stable version of the KVM interface.
Status CheckApiVersion(int version, const std::string& path);

}  // namespace ember::kvm

#endif  // EMBER_KVM_CAPABILITIES_H_
