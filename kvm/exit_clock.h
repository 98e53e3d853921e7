#ifndef EMBER_KVM_EXIT_CLOCK_H_
#define EMBER_KVM_EXIT_CLOCK_H_

#include <chrono>
#include <cstdint>

#include "base/fd.h"

namespace ember::kvm {

// Times the answers to a vCPU's exits. They are so short that reading the host's clock would be the
// most of them, so it goes by the processor's counter of cycles, at less than half the cost.
// kvm/<architecture>/exit_clock.cc reads it. Any thread.
class ExitClock {
 public:
  // Of a new vCPU, of which KVM knows the counter's rate.
  static ExitClock Create(const Fd& vcpu_fd);
  // 0 cycles: the rate is not known, and the host's clock takes the counter's place.
  explicit ExitClock(uint64_t cycles_per_ms);

  // In units of its own.
  uint64_t Now() const;
  std::chrono::nanoseconds Since(uint64_t begin) const;

 private:
  uint64_t scale_;  // nanoseconds per cycle, a fixed-point number; 0: the host's clock
};

}  // namespace ember::kvm

#endif  // EMBER_KVM_EXIT_CLOCK_H_
