#include "vmm/given_files.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/fd.h"

namespace ember::vmm {
namespace {

using sandbox::FileRule;
using sandbox::FileUse;

class Rules {
 public:
  void Add(std::string path, FileUse use) {
    // A descriptor, which is not opened.
    if (!InheritedNumber(path)) rules_.push_back({.path = std::move(path), .use = use});
  }
  void AddIfNamed(const std::optional<std::string>& path, FileUse use) {
    if (path) Add(*path, use);
  }
  void AddSocket(const std::string& path) { rules_.push_back(SocketRule(path)); }
  std::vector<FileRule> Take() && { return std::move(rules_); }

 private:
  std::vector<FileRule> rules_;
};

void AddDrive(Rules& rules, const DriveConfig& drive) {
  if (drive.socket) return;
  const bool is_read = drive.is_read_only || drive.overlay_path;
  rules.Add(drive.path_on_host, is_read ? FileUse::kRead : FileUse::kWrite);
  rules.AddIfNamed(drive.overlay_path, FileUse::kWrite);
}

void AddConsole(Rules& rules, const ConsoleConfig& console) {
  for (const ConsolePortConfig& port : console.ports) {
    rules.AddSocket(port.socket_path);
    rules.AddIfNamed(port.output_path, FileUse::kWrite);
  }
}

void AddHost(Rules& rules, const VmConfig& config) {
  rules.Add("/dev/kvm", FileUse::kWrite);
  rules.Add("/proc", FileUse::kRead);  // page tables, for snapshots and memory's accounts
  const bool has_tap = std::ranges::any_of(
      config.network_interfaces,
      [](const NetworkInterfaceConfig& interface) { return interface.host_dev_name.has_value(); });
  if (has_tap) rules.Add("/dev/net/tun", FileUse::kWrite);
  if (config.machine.huge_pages == HugePages::k2M) {
    rules.Add("/sys/kernel/mm/hugepages", FileUse::kRead);
  }
}

}  // namespace

FileRule SocketRule(const std::string& path) {
  const size_t slash = path.rfind('/');
  std::string folder =
      slash == std::string::npos ? "." : path.substr(0, std::max<size_t>(slash, 1));
  return {.path = std::move(folder), .use = FileUse::kSockets};
}

std::vector<FileRule> GivenFiles(const VmConfig& config) {
  Rules rules;
  AddHost(rules, config);
  if (config.boot_source) {
    rules.Add(config.boot_source->kernel_image_path, FileUse::kRead);
    rules.AddIfNamed(config.boot_source->initrd_path, FileUse::kRead);
  }
  for (const DriveConfig& drive : config.drives) AddDrive(rules, drive);
  for (const PmemConfig& pmem : config.pmem) {
    rules.Add(pmem.path_on_host, pmem.read_only ? FileUse::kRead : FileUse::kWrite);
  }
  if (config.vsock) rules.AddSocket(config.vsock->uds_path);
  if (config.console) AddConsole(rules, *config.console);
  rules.AddIfNamed(config.serial.serial_out_path, FileUse::kWrite);
  return std::move(rules).Take();
}

}  // namespace ember::vmm
