#include "vmm/balloon/balloon.h"

#include "base/concat.h"

namespace ember::vmm {

Status CheckBalloonFits(uint32_t amount_mib, uint64_t mem_size_mib) {
  if (amount_mib <= mem_size_mib) return {};
  return Error(Concat("Amount of pages requested is too large: amount_mib ", amount_mib,
                      " exceeds mem_size_mib ", mem_size_mib));
}

}  // namespace ember::vmm
