#ifndef EMBER_DEVICES_VM_CLOCK_H_
#define EMBER_DEVICES_VM_CLOCK_H_

#include <cstdint>

#include "base/result.h"
#include "memory/guest_address.h"
#include "memory/guest_memory.h"

namespace ember {

// The structure in guest memory by which a guest, and its programs, learn that the machine is a
// copy or that its clocks jumped: "VMClock", <linux/vmclock-abi.h> of Linux 6.13, UAPI.13 of
// uapi-group.org. Of a clock it says nothing: the counter is invalid, as none is measured against
// real time here.
//
// The values are the device's own: what a guest writes over the structure is gone with the next
// generation. Made, changed and saved on the loop thread while no vCPU runs.
class VmClock {
 public:
  // A whole page: guests map it for their programs.
  static constexpr uint64_t kRegionBytes = 4096;

  struct State {
    uint32_t sequence = 0;     // odd while the structure changes, so never here
    uint64_t disruptions = 0;  // how often the processor's counter was another one
    uint64_t generation = 0;   // of the machine; its order means nothing
  };

  // The page at `at`, which nothing else uses.
  explicit VmClock(GuestAddress at) : VmClock(at, State{}) {}
  // Restored.
  VmClock(GuestAddress at, const State& state) : at_(at), state_(state) {}

  GuestAddress address() const { return at_; }
  State Save() const { return state_; }

  // Writes the structure, of a new machine. An error: the page is not in `memory`.
  Status Show(const GuestMemory& memory) const;
  // The machine is a copy from now on, of a generation that no other has. The guest has to be
  // notified afterwards.
  Status BeginGeneration(const GuestMemory& memory, uint64_t generation);

 private:
  GuestAddress at_;
  State state_;
};

}  // namespace ember

#endif  // EMBER_DEVICES_VM_CLOCK_H_
