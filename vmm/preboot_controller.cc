#include "vmm/preboot_controller.h"

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/concat.h"
#include "base/fd.h"

namespace ember::vmm {
namespace {

// Opened only to tell the client now, while it can mend it; the builder opens it for use.
Status CheckCanOpen(const std::string& path, Access access, std::string_view field) {
  const Fd file = TRY_CONTEXT(OpenFile(path, access), field);
  TRY_CONTEXT(FileSize(file, path), field);  // a folder opens, but has no bytes to read
  return {};
}

// The same for a file that the builder makes where it is absent: then its folder must be there.
Status CheckCanMakeOrOpen(const std::string& path, std::string_view field) {
  std::error_code ignored;
  if (InheritedNumber(path)) return Error(Concat(field, ": ", path, " has no folder of its own"));
  if (std::filesystem::exists(path, ignored)) {
    return CheckCanOpen(path, Access::kReadWrite, field);
  }
  const std::string folder = std::filesystem::absolute(path, ignored).parent_path().string();
  const Fd opened = TRY_CONTEXT(OpenFile(folder, Access::kReadOnly), field);
  return {};
}

Status CheckDriveFiles(const DriveConfig& drive) {
  std::error_code ignored;
  if (drive.socket) {
    if (std::filesystem::is_socket(*drive.socket, ignored)) return {};
    return Error(Concat("socket: there is no socket at ", *drive.socket));
  }
  const bool only_read = drive.is_read_only || drive.overlay_path.has_value();
  TRY(CheckCanOpen(drive.path_on_host, only_read ? Access::kReadOnly : Access::kReadWrite,
                   "path_on_host"));
  if (!drive.overlay_path) return {};
  return CheckCanMakeOrOpen(*drive.overlay_path, "overlay_path");
}

// What may come before a snapshot, as the contract has it: it is no part of one, or the process's.
bool MayPrecedeSnapshot(const Action& action) {
  return std::holds_alternative<PutSerial>(action) ||
         std::holds_alternative<PutCpuConfig>(action) ||
         std::holds_alternative<PutLifecycle>(action);
}

}  // namespace

Status PrebootController::Perform(const Action& action) {
  TRY(std::visit([this](const auto& alternative) { return Do(alternative); }, action));
  if (!MayPrecedeSnapshot(action)) describes_machine_ = true;
  return {};
}

Result<std::unique_ptr<Machine>> PrebootController::Start() {
  if (!config_.boot_source) return Error("Cannot start microvm without kernel configuration.");
  return factory_.build(config_);
}

Result<std::unique_ptr<Machine>> PrebootController::Load(const SnapshotLoad& load) {
  if (describes_machine_) {
    return Error(
        "Loading a microVM snapshot not allowed after configuring boot-specific resources.");
  }
  TRY_CONTEXT(Validate(load), "Load snapshot error");
  return TRY_CONTEXT(factory_.restore(load, config_), "Load snapshot error");
}

Status PrebootController::Do(const PutMachineConfig& action) {
  TRY(SetMachine(action.machine));
  if (action.names_template) config_.cpu.reset();
  return {};
}

Status PrebootController::Do(const PatchMachineConfig& action) {
  TRY(SetMachine(Apply(config_.machine, action.update)));
  if (action.update.cpu_template) config_.cpu.reset();
  return {};
}

Status PrebootController::Do(const PutCpuConfig& action) {
  config_.cpu = action.cpu;
  config_.machine.cpu_template = CpuTemplate::kNone;
  return {};
}

Status PrebootController::SetMachine(const MachineConfig& machine) {
  TRY(Validate(machine));
  if (config_.balloon && config_.balloon->amount_mib > machine.mem_size_mib) {
    return Error(
        Concat("The memory size (MiB) is smaller than the previously set balloon device target "
               "size: mem_size_mib ",
               machine.mem_size_mib, " is below amount_mib ", config_.balloon->amount_mib));
  }
  config_.machine = machine;
  return {};
}

Status PrebootController::Do(const PutBootSource& action) {
  const BootSource& source = action.boot_source;
  TRY(Validate(source));
  TRY(CheckCanOpen(source.kernel_image_path, Access::kReadOnly, "kernel_image_path"));
  if (source.initrd_path) {
    TRY(CheckCanOpen(*source.initrd_path, Access::kReadOnly, "initrd_path"));
  }
  config_.boot_source = source;
  return {};
}

Status PrebootController::Do(const PutDrive& action) {
  const DriveConfig& drive = action.drive;
  TRY(Validate(drive));
  TRY(CheckDriveFiles(drive));
  std::vector<DriveConfig> drives = config_.drives;
  TRY(InsertDrive(drives, drive));
  TRY(CheckOneRoot(drives, config_.pmem));
  TRY(CheckSocketsWithHotplug(drives, config_.memory_hotplug));
  config_.drives = std::move(drives);
  return {};
}

Status PrebootController::Do(const PutPmem& action) {
  const PmemConfig& pmem = action.pmem;
  TRY(Validate(pmem));
  TRY(CheckCanOpen(pmem.path_on_host, pmem.read_only ? Access::kReadOnly : Access::kReadWrite,
                   "path_on_host"));
  std::vector<PmemConfig> devices = config_.pmem;
  TRY(InsertPmem(devices, pmem));
  TRY(CheckOneRoot(config_.drives, devices));
  config_.pmem = std::move(devices);
  return {};
}

Status PrebootController::Do(const PutNetworkInterface& action) {
  TRY(Validate(action.interface));
  return InsertNetworkInterface(config_.network_interfaces, action.interface);
}

Status PrebootController::Do(const PutSerial& action) {
  TRY(Validate(action.serial));
  config_.serial = action.serial;
  return {};
}

Status PrebootController::Do(const PutBalloon& action) {
  TRY(CheckBalloonFits(action.balloon.amount_mib, config_.machine.mem_size_mib));
  config_.balloon = action.balloon;
  return {};
}

Status PrebootController::Do(const PutEntropy& action) {
  config_.entropy = action.entropy;
  return {};
}

Status PrebootController::Do(const PutConsole& action) {
  TRY(Validate(action.console));
  config_.console = action.console;
  return {};
}

Status PrebootController::Do(const PutVsock& action) {
  TRY(Validate(action.vsock));
  config_.vsock = action.vsock;
  return {};
}

Status PrebootController::Do(const PutMemoryHotplug& action) {
  TRY(Validate(action.memory));
  TRY(CheckSocketsWithHotplug(config_.drives, action.memory));
  config_.memory_hotplug = action.memory;
  return {};
}

Status PrebootController::Do(const PutMmdsConfig& action) {
  TRY(Validate(action.mmds, config_.network_interfaces));
  config_.mmds = action.mmds;
  return {};
}

Status PrebootController::Do(const PutLifecycle& action) {
  TRY(Validate(action.lifecycle));
  config_.lifecycle = action.lifecycle;
  return {};
}

template <typename Other>
Status PrebootController::Do(const Other&) {
  return Error("The requested operation is not supported before starting the microVM.");
}

}  // namespace ember::vmm
