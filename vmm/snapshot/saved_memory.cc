#include "vmm/snapshot/saved_memory.h"

#include "base/concat.h"

namespace ember::vmm {

Result<std::optional<PluggableMemory::Options>> PluggableOf(const SavedMachine& state,
                                                            const VmConfig& config) {
  constexpr uint64_t kMib = uint64_t{1024} * 1024;
  const auto& configured = config.memory_hotplug;
  const uint64_t size_bytes = configured ? configured->total_size_mib * kMib : 0;
  const DeviceMemoryState saved = state.pluggable.value_or(DeviceMemoryState{});
  if (saved.size_bytes != size_bytes) {
    return Error(Concat("the snapshot has ", saved.size_bytes,
                        " bytes of pluggable memory, its configuration ", size_bytes));
  }
  if (!configured) return std::nullopt;
  return PluggableMemory::Options{.range = {.start = saved.start, .size_bytes = saved.size_bytes},
                                  .block_bytes = configured->block_size_mib * kMib};
}

}  // namespace ember::vmm
