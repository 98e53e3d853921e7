#ifndef EMBER_VMM_ENTROPY_ENTROPY_H_
#define EMBER_VMM_ENTROPY_ENTROPY_H_

#include "vmm/rate_limiter/rate_limiter_config.h"
#include "vmm/thread_choice.h"

// The entropy device as clients describe it; a machine has one at most.
namespace ember::vmm {

struct EntropyConfig {
  RateLimiterConfig rate_limiter;
  ThreadChoice thread = ThreadChoice::kVmm;  // ours

  friend bool operator==(const EntropyConfig&, const EntropyConfig&) = default;
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_ENTROPY_ENTROPY_H_
