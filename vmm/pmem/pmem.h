#ifndef EMBER_VMM_PMEM_PMEM_H_
#define EMBER_VMM_PMEM_PMEM_H_

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "vmm/rate_limiter/rate_limiter_config.h"
#include "vmm/thread_choice.h"

// Persistent memory devices as clients describe them.
namespace ember::vmm {

struct PmemConfig {
  std::string id;
  std::string path_on_host;
  bool root_device = false;
  bool read_only = false;
  RateLimiterConfig rate_limiter;            // of flushes
  ThreadChoice thread = ThreadChoice::kVmm;  // ours

  friend bool operator==(const PmemConfig&, const PmemConfig&) = default;
};

// What a client changes while the machine runs.
struct PmemUpdate {
  std::string id;
  RateLimiterConfig rate_limiter;

  friend bool operator==(const PmemUpdate&, const PmemUpdate&) = default;
};

// What holds within one device. The error names the field.
Status Validate(const PmemConfig& pmem);
// Puts the device at the end of the list, or in the place of the one with its id. An error leaves
// the list as it was.
Status InsertPmem(std::vector<PmemConfig>& devices, PmemConfig pmem);
// The root device's words for the kernel's command line, "root=/dev/pmem1 rw"; none where none of
// the devices is. Guests number them in the order of the list.
std::optional<std::string> RootWords(const std::vector<PmemConfig>& devices);

}  // namespace ember::vmm

#endif  // EMBER_VMM_PMEM_PMEM_H_
