#ifndef EMBER_VIRTIO_MEM_MEM_SLOTS_H_
#define EMBER_VIRTIO_MEM_MEM_SLOTS_H_

#include <cstddef>

#include "base/result.h"

namespace ember::virtio {

// The pieces in which the machine shows a memory device's region to the guest's processors. What a
// processor touches in a slot that is hidden is no memory, and takes none of the host's. Used by
// one device, which calls it as VirtioDevice says.
class MemSlots {
 public:
  virtual ~MemSlots() = default;
  // Slot `index`, which is hidden, is memory when this returns. May take milliseconds.
  virtual Status Show(size_t index) = 0;
  // Slot `index`, which is shown, is none any more when this returns. May take milliseconds.
  virtual void Hide(size_t index) = 0;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_MEM_MEM_SLOTS_H_
