#ifndef EMBER_VMM_FORK_FORK_REQUEST_H_
#define EMBER_VMM_FORK_FORK_REQUEST_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "vmm/config.h"
#include "vmm/snapshot/snapshot_request.h"

// What clients say of a fork. Plain data.
namespace ember::vmm {

inline constexpr size_t kMaxClones = 256;
inline constexpr uint32_t kMaxForkTimeoutMs = 60'000;

// A process that waits, and what of the machine is to be other in it.
struct ForkClone {
  std::string socket_path;  // of its API
  SnapshotLoad load;        // without files
  std::string body;         // the same, as it is told
};

struct ForkRequest {
  std::vector<ForkClone> clones;
  std::chrono::milliseconds timeout{5000};  // for all of them to answer
};

// What holds within one request.
Status Validate(const ForkRequest& request);
// Whether a machine of this configuration can have these clones: it has the devices that are
// overridden, and no file of a drive or of persistent memory would be written to by two, as far as
// paths tell. The error names the clone and the device.
Status CheckClones(const VmConfig& config, const ForkRequest& request);

}  // namespace ember::vmm

#endif  // EMBER_VMM_FORK_FORK_REQUEST_H_
