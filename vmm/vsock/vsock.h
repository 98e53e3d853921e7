#ifndef EMBER_VMM_VSOCK_VSOCK_H_
#define EMBER_VMM_VSOCK_VSOCK_H_

#include <cstdint>
#include <string>

#include "base/result.h"
#include "vmm/thread_choice.h"

// The socket device as clients describe it.
namespace ember::vmm {

struct VsockConfig {
  uint32_t guest_cid = 0;
  std::string uds_path;
  ThreadChoice thread = ThreadChoice::kVmm;  // ours

  friend bool operator==(const VsockConfig&, const VsockConfig&) = default;
};

// What holds within it. The error names the field and both values.
Status Validate(const VsockConfig& vsock);

}  // namespace ember::vmm

#endif  // EMBER_VMM_VSOCK_VSOCK_H_
