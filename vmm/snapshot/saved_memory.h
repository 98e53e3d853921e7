#ifndef EMBER_VMM_SNAPSHOT_SAVED_MEMORY_H_
#define EMBER_VMM_SNAPSHOT_SAVED_MEMORY_H_

#include <optional>

#include "base/result.h"
#include "memory/pluggable_memory.h"
#include "vmm/config.h"
#include "vmm/snapshot/machine_state.h"

namespace ember::vmm {

// The pluggable memory of a machine that was saved, of that configuration: where it was, as large
// as is configured. Nothing where there is none; an error where only one of the two has any, or
// they differ.
Result<std::optional<PluggableMemory::Options>> PluggableOf(const SavedMachine& state,
                                                            const VmConfig& config);

}  // namespace ember::vmm

#endif  // EMBER_VMM_SNAPSHOT_SAVED_MEMORY_H_
