#include "vmm/memory_hotplug/memory_hotplug_json.h"

#include <string_view>

#include "vmm/config_json_reader.h"

namespace ember::vmm {

Result<MemoryHotplugConfig> ReadMemoryHotplug(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"total_size_mib", "block_size_mib",
                                                 "slot_size_mib", "thread"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  MemoryHotplugConfig memory;
  memory.total_size_mib = TRY(in.Required<uint32_t>("total_size_mib"));
  memory.block_size_mib = TRY(in.WithDefault("block_size_mib", memory.block_size_mib));
  memory.slot_size_mib = TRY(in.WithDefault("slot_size_mib", memory.slot_size_mib));
  memory.thread = TRY(in.Optional("thread", kThreadChoices)).value_or(memory.thread);
  return memory;
}

Result<MemoryHotplugUpdate> ReadMemoryHotplugUpdate(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"requested_size_mib"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  return MemoryHotplugUpdate{.requested_size_mib =
                                 TRY(in.Required<uint32_t>("requested_size_mib"))};
}

void WriteFields(JsonWriter& out, const MemoryHotplugConfig& memory) {
  out.Field("total_size_mib", memory.total_size_mib)
      .Field("block_size_mib", memory.block_size_mib)
      .Field("slot_size_mib", memory.slot_size_mib);
  if (memory.thread != ThreadChoice::kVmm) {
    out.Field("thread", NameOf(kThreadChoices, memory.thread));
  }
}

}  // namespace ember::vmm
