#include "vmm/memory_hotplug/memory_hotplug.h"

#include <bit>

#include "base/concat.h"

namespace ember::vmm {
namespace {

constexpr uint32_t kMinBlockMib = 2;   // a huge page of the host's
constexpr uint32_t kMinSlotMib = 128;  // Linux's smallest piece of memory to hotplug

}  // namespace

Status Validate(const MemoryHotplugConfig& memory) {
  const auto& [total, block, slot, thread] = memory;
  if (block < kMinBlockMib) {
    return Error(Concat("Block size must not be lower than ", kMinBlockMib,
                        " MiB: block_size_mib is ", block));
  }
  if (!std::has_single_bit(block)) {
    return Error(Concat("Block size must be a power of 2: block_size_mib is ", block));
  }
  if (slot < kMinSlotMib) {
    return Error(
        Concat("Slot size must not be lower than ", kMinSlotMib, " MiB: slot_size_mib is ", slot));
  }
  if (slot % block != 0) {
    return Error(Concat("Slot size must be a multiple of block size (", block,
                        " MiB): slot_size_mib is ", slot));
  }
  if (total < slot) {
    return Error(Concat("Total size must not be lower than slot size (", slot,
                        " MiB): total_size_mib is ", total));
  }
  if (total % slot != 0) {
    return Error(Concat("Total size must be a multiple of slot size (", slot,
                        " MiB): total_size_mib is ", total));
  }
  return {};
}

}  // namespace ember::vmm
