#include "vmm/memory_hotplug/memory_hotplug_device.h"

#include <algorithm>
#include <utility>

#include "vmm/config_json_writer.h"
#include "vmm/memory_hotplug/kvm_mem_slots.h"

namespace ember::vmm {
namespace {

constexpr uint64_t kMib = uint64_t{1024} * 1024;
// Linux adds memory in blocks of up to 2 GiB, aligned alike, and leaves what is not a whole one.
constexpr uint64_t kGuestAlignmentBytes = uint64_t{2} << 30;

}  // namespace

Result<PluggableMemory::Options> TakePluggable(const MemoryHotplugConfig& memory,
                                               AddressAllocator& addresses) {
  const uint64_t block_bytes = memory.block_size_mib * kMib;
  const GuestRange range = TRY(
      addresses.Take(memory.total_size_mib * kMib, std::max(block_bytes, kGuestAlignmentBytes)));
  return PluggableMemory::Options{.range = range, .block_bytes = block_bytes};
}

Result<std::unique_ptr<virtio::MemDevice>> CreateMemoryHotplug(
    const MemoryHotplugConfig& memory, kvm::Vm& vm, const GuestMemory& guest_memory,
    Journal* journal, std::optional<virtio::MemState> state) {
  const uint64_t slot_bytes = memory.slot_size_mib * kMib;
  const bool tracks = guest_memory.dirty_pages() != nullptr;
  const kvm::DirtyLog log = tracks ? kvm::DirtyLog::kOn : kvm::DirtyLog::kOff;
  return virtio::MemDevice::Create(
      {.memory = guest_memory,
       .slot_bytes = slot_bytes,
       .slots = std::make_unique<KvmMemSlots>(vm, *guest_memory.pluggable(), slot_bytes, log),
       .journal = journal,
       .state = std::move(state)});
}

Status Update(virtio::MemDevice& device, const MemoryHotplugUpdate& update) {
  return device.SetRequestedSize(update.requested_size_mib * kMib);
}

std::string StatusJson(const MemoryHotplugConfig& memory, const virtio::MemDevice& device) {
  JsonWriter out;
  out.BeginObject()
      .Field("total_size_mib", memory.total_size_mib)
      .Field("slot_size_mib", memory.slot_size_mib)
      .Field("block_size_mib", memory.block_size_mib)
      .Field("plugged_size_mib", device.plugged_bytes() / kMib)
      .Field("requested_size_mib", device.requested_bytes() / kMib)
      .EndObject();
  return std::move(out).Take();
}

}  // namespace ember::vmm
