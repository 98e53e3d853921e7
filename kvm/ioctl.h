#ifndef EMBER_KVM_IOCTL_H_
#define EMBER_KVM_IOCTL_H_

#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace ember::kvm {

// One ioctl on /dev/kvm, a VM or a vCPU, tried again when a signal interrupts it. `name` is the
// request's name in <linux/kvm.h>, for the error: "KVM_CREATE_VM: Cannot allocate memory". Not for
// KVM_RUN, which a signal must interrupt.
Result<int> Ioctl(const Fd& fd, unsigned long request, std::string_view name,
                  unsigned long argument = 0);
// The same for a request that takes a structure, which the kernel may write to.
Result<int> Ioctl(const Fd& fd, unsigned long request, std::string_view name, void* argument);

}  // namespace ember::kvm

#endif  // EMBER_KVM_IOCTL_H_
