#ifndef EMBER_VMM_SNAPSHOT_DESCRIBE_SNAPSHOT_H_
#define EMBER_VMM_SNAPSHOT_DESCRIBE_SNAPSHOT_H_

#include <string>

#include "base/result.h"

namespace ember::vmm {

// The format of snapshots that this build writes, as the contract's clients read it: "v1.0.0".
std::string SnapshotVersion();

// What a state file has, in lines: the version of its format, and then a key and a value each. An
// error names the file.
Result<std::string> DescribeSnapshot(const std::string& path);

}  // namespace ember::vmm

#endif  // EMBER_VMM_SNAPSHOT_DESCRIBE_SNAPSHOT_H_
