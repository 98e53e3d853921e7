#include "vmm/lifecycle/lifecycle.h"

#include "base/concat.h"

namespace ember::vmm {

Status Validate(const LifecycleConfig& lifecycle) {
  if (!lifecycle.resets_per_minute) return {};
  const uint32_t resets = *lifecycle.resets_per_minute;
  if (resets == 0) return Error("resets_per_minute is 0, which is below 1");
  if (resets > LifecycleConfig::kMaxResetsPerMinute) {
    return Error(Concat("resets_per_minute ", resets, " exceeds the limit ",
                        LifecycleConfig::kMaxResetsPerMinute));
  }
  return {};
}

}  // namespace ember::vmm
