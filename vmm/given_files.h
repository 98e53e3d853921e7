#ifndef EMBER_VMM_GIVEN_FILES_H_
#define EMBER_VMM_GIVEN_FILES_H_

#include <string>
#include <vector>

#include "sandbox/file_limits.h"
#include "vmm/config.h"

namespace ember::vmm {

// The host's files that a machine of this configuration goes on to need once it runs: those that it
// was given, for it may be built again after a reset and removes its sockets in the end, and those
// of the host itself. Any thread.
std::vector<sandbox::FileRule> GivenFiles(const VmConfig& config);

// Where a socket at `path` is made and removed.
sandbox::FileRule SocketRule(const std::string& path);

}  // namespace ember::vmm

#endif  // EMBER_VMM_GIVEN_FILES_H_
