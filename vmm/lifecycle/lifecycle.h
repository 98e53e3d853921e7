#ifndef EMBER_VMM_LIFECYCLE_LIFECYCLE_H_
#define EMBER_VMM_LIFECYCLE_LIFECYCLE_H_

#include <cstdint>
#include <optional>

#include "base/result.h"

// What becomes of the machine when its guest ends: ours, beside the contract.
namespace ember::vmm {

enum class EndPolicy : uint8_t {
  kExit,   // the process ends: the contract's
  kPause,  // the machine stays as it is, paused
  kReset,  // it starts anew, with the same configuration
};

struct LifecycleConfig {
  EndPolicy on_reboot = EndPolicy::kExit;
  EndPolicy on_panic = EndPolicy::kExit;
  EndPolicy on_halt = EndPolicy::kExit;   // the guest powered off
  EndPolicy on_crash = EndPolicy::kExit;  // a triple fault
  // So many resets in a minute, 1 to kMaxResetsPerMinute; the end after them is as with kExit.
  // Absent: any number.
  std::optional<uint32_t> resets_per_minute;

  static constexpr uint32_t kMaxResetsPerMinute = 1000;

  friend bool operator==(const LifecycleConfig&, const LifecycleConfig&) = default;
};

// The error names the field and both values.
Status Validate(const LifecycleConfig& lifecycle);

}  // namespace ember::vmm

#endif  // EMBER_VMM_LIFECYCLE_LIFECYCLE_H_
