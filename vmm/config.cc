#include "vmm/config.h"

#include <algorithm>
#include <utility>

#include "base/concat.h"

namespace ember::vmm {
namespace {

bool HasWord(std::string_view text, std::string_view word) {
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (text.substr(0, end) == word) return true;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return false;
}

}  // namespace

Status Validate(const MachineConfig& machine) {
  if (machine.vcpu_count == 0) return Error("vcpu_count 0 is below the least, 1");
  if (machine.vcpu_count > kMaxVcpus) {
    return Error(Concat("vcpu_count ", machine.vcpu_count, " exceeds the limit ", kMaxVcpus));
  }
  if (machine.smt && machine.vcpu_count > 1 && machine.vcpu_count % 2 != 0) {
    return Error(Concat("vcpu_count ", machine.vcpu_count, " must be 1 or even when smt is true"));
  }
  if (machine.mem_size_mib == 0) return Error("mem_size_mib 0 is below the least, 1");
  if (machine.mem_size_mib > kMaxMemoryMib) {
    return Error(
        Concat("mem_size_mib ", machine.mem_size_mib, " exceeds the limit ", kMaxMemoryMib));
  }
  if (machine.huge_pages == HugePages::k2M && machine.mem_size_mib % 2 != 0) {
    return Error(
        Concat("mem_size_mib ", machine.mem_size_mib, " must be even when huge_pages is 2M"));
  }
  if (machine.forkable && machine.huge_pages != HugePages::kNone) {
    return Error("forkable needs huge_pages None: the memory of a fork is shared by small pages");
  }
  return {};
}

Status Validate(const BootSource& boot_source) {
  if (boot_source.kernel_image_path.empty()) return Error("kernel_image_path is empty");
  if (boot_source.initrd_path && boot_source.initrd_path->empty()) {
    return Error("initrd_path is empty");
  }
  const std::string_view args = BootArgs(boot_source);
  const auto bad = std::ranges::find_if(args, [](char c) { return c < ' ' || c > '~'; });
  if (bad != args.end()) {
    return Error(Concat("boot_args holds the byte ", Hex{static_cast<unsigned char>(*bad)},
                        ", which is not printable ASCII"));
  }
  if (boot_source.boot_protocol == BootProtocolChoice::kPvh &&
      HardwareDescriptionOf(boot_source) == firmware::HardwareDescription::kDeviceTree) {
    return Error("hardware_description DeviceTree cannot be handed over by boot_protocol Pvh");
  }
  return {};
}

Status Validate(const SerialConfig& serial) {
  if (serial.serial_out_path && serial.serial_out_path->empty()) {
    return Error("serial_out_path is empty");
  }
  return {};
}

MachineConfig Apply(const MachineConfig& machine, const MachineConfigUpdate& update) {
  return {.vcpu_count = update.vcpu_count.value_or(machine.vcpu_count),
          .mem_size_mib = update.mem_size_mib.value_or(machine.mem_size_mib),
          .smt = update.smt.value_or(machine.smt),
          .cpu_template = update.cpu_template.value_or(machine.cpu_template),
          .track_dirty_pages = update.track_dirty_pages.value_or(machine.track_dirty_pages),
          .huge_pages = update.huge_pages.value_or(machine.huge_pages),
          .forkable = update.forkable.value_or(machine.forkable)};
}

Status CheckOneRoot(const std::vector<DriveConfig>& drives, const std::vector<PmemConfig>& pmem) {
  const auto drive = std::ranges::find_if(drives, &DriveConfig::is_root_device);
  const auto memory = std::ranges::find_if(pmem, &PmemConfig::root_device);
  if (drive == drives.end() || memory == pmem.end()) return {};
  return Error(Concat("drive ", drive->drive_id, " and pmem ", memory->id,
                      " cannot both be the root device"));
}

Status CheckSocketsWithHotplug(const std::vector<DriveConfig>& drives,
                               const std::optional<MemoryHotplugConfig>& memory_hotplug) {
  const auto drive =
      std::ranges::find_if(drives, [](const DriveConfig& each) { return each.socket.has_value(); });
  if (drive == drives.end() || !memory_hotplug) return {};
  return Error(Concat("drive ", drive->drive_id,
                      " has a socket, and its back end cannot reach memory that is hotplugged"));
}

std::string_view BootArgs(const BootSource& boot_source) {
  return boot_source.boot_args ? std::string_view(*boot_source.boot_args) : kDefaultBootArgs;
}

firmware::HardwareDescription HardwareDescriptionOf(const BootSource& boot_source) {
  if (boot_source.hardware_description) return *boot_source.hardware_description;
  return HasWord(BootArgs(boot_source), "acpi=off") ? firmware::HardwareDescription::kMpTable
                                                    : firmware::HardwareDescription::kAcpi;
}

}  // namespace ember::vmm
