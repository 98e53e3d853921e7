#include "kvm/run_area.h"

#include <linux/kvm.h>

#include "base/check.h"

namespace ember::kvm {

RunArea::RunArea(std::span<std::byte> bytes)
    : bytes_(bytes),
      // The kernel's own layout of these bytes; their size and alignment are checked below.
      header_(reinterpret_cast<kvm_run*>(bytes.data())) {
  EMBER_CHECK(bytes.size() >= sizeof(kvm_run));
  EMBER_CHECK(reinterpret_cast<uintptr_t>(bytes.data()) % alignof(kvm_run) == 0);
}

}  // namespace ember::kvm
