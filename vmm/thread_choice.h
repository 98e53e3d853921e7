#ifndef EMBER_VMM_THREAD_CHOICE_H_
#define EMBER_VMM_THREAD_CHOICE_H_

#include <cstdint>

namespace ember::vmm {

// The thread that does a device's work: the VMM's loop, or one of the device's own.
enum class ThreadChoice : uint8_t { kVmm, kOwn };

}  // namespace ember::vmm

#endif  // EMBER_VMM_THREAD_CHOICE_H_
