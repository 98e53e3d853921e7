#ifndef EMBER_VMM_CONFIG_H_
#define EMBER_VMM_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "firmware/platform.h"
#include "vmm/balloon/balloon.h"
#include "vmm/block/drive.h"
#include "vmm/console/console.h"
#include "vmm/cpu/cpu_config.h"
#include "vmm/entropy/entropy.h"
#include "vmm/lifecycle/lifecycle.h"
#include "vmm/logger/logger.h"
#include "vmm/memory_hotplug/memory_hotplug.h"
#include "vmm/metrics/metrics_config.h"
#include "vmm/mmds/mmds.h"
#include "vmm/net/network_interface.h"
#include "vmm/pmem/pmem.h"
#include "vmm/rate_limiter/rate_limiter_config.h"
#include "vmm/vsock/vsock.h"

// What a machine is to be, as the control API and the configuration file describe it: plain structs
// with the contract's names and defaults. Filled before the machine runs, constant after.
namespace ember::vmm {

inline constexpr uint32_t kMaxVcpus = 32;
inline constexpr uint64_t kMaxMemoryMib = 16ULL * 1024 * 1024;  // 16 TiB: sums of bytes cannot wrap

enum class HugePages : uint8_t { kNone, kTransparent, k2M };
// Deprecated by the contract in favour of CpuConfig, beside which there is none: the later counts.
enum class CpuTemplate : uint8_t { kNone, kC3, kT2, kT2S, kT2CL, kT2A, kV1N1 };
enum class BootProtocolChoice : uint8_t { kAuto, kLinux64, kPvh };

struct MachineConfig {
  uint32_t vcpu_count = 1;
  uint64_t mem_size_mib = 128;
  bool smt = false;
  CpuTemplate cpu_template = CpuTemplate::kNone;
  bool track_dirty_pages = false;
  HugePages huge_pages = HugePages::kNone;
  bool forkable = false;  // ours

  friend bool operator==(const MachineConfig&, const MachineConfig&) = default;
};

// The fields of a PATCH: those absent stay as they are.
struct MachineConfigUpdate {
  std::optional<uint32_t> vcpu_count;
  std::optional<uint64_t> mem_size_mib;
  std::optional<bool> smt;
  std::optional<CpuTemplate> cpu_template;
  std::optional<bool> track_dirty_pages;
  std::optional<HugePages> huge_pages;
  std::optional<bool> forkable;

  friend bool operator==(const MachineConfigUpdate&, const MachineConfigUpdate&) = default;
};

struct BootSource {
  std::string kernel_image_path;
  std::optional<std::string> initrd_path;
  std::optional<std::string> boot_args;  // absent: kDefaultBootArgs
  // Ours, beside the contract.
  BootProtocolChoice boot_protocol = BootProtocolChoice::kAuto;
  // Absent: an MP table where the kernel is told acpi=off, else ACPI.
  std::optional<firmware::HardwareDescription> hardware_description;

  friend bool operator==(const BootSource&, const BootSource&) = default;
};

// What a guest gets on its command line when the client names nothing.
inline constexpr std::string_view kDefaultBootArgs =
    "reboot=k panic=1 nomodule 8250.nr_uarts=0 i8042.noaux i8042.nomux i8042.dumbkbd "
    "swiotlb=noforce";

struct SerialConfig {
  std::optional<std::string> serial_out_path;     // absent: stdout
  std::optional<TokenBucketConfig> rate_limiter;  // of bytes; those beyond it are dropped

  friend bool operator==(const SerialConfig&, const SerialConfig&) = default;
};

struct VmConfig {
  MachineConfig machine;
  std::optional<CpuConfig> cpu;
  std::optional<BootSource> boot_source;
  std::vector<DriveConfig> drives;  // in the order the guest finds them: the root device first
  std::vector<PmemConfig> pmem;     // in the order the guest finds them
  std::optional<BalloonConfig> balloon;
  std::vector<NetworkInterfaceConfig> network_interfaces;  // the same, as they were first given
  std::optional<MmdsConfig> mmds;
  SerialConfig serial;
  std::optional<EntropyConfig> entropy;
  std::optional<ConsoleConfig> console;  // ours
  std::optional<VsockConfig> vsock;
  std::optional<MemoryHotplugConfig> memory_hotplug;
  std::optional<LifecycleConfig> lifecycle;  // ours
  // Of a configuration file only: they are the process's, and GET /vm/config does not show them.
  std::optional<LoggerConfig> logger;
  std::optional<MetricsConfig> metrics;

  friend bool operator==(const VmConfig&, const VmConfig&) = default;
};

// What holds within one part. The error names the field and both values.
Status Validate(const MachineConfig& machine);
Status Validate(const BootSource& boot_source);
Status Validate(const SerialConfig& serial);

// `machine` with the update's fields in place of its own.
MachineConfig Apply(const MachineConfig& machine, const MachineConfigUpdate& update);
// No two root devices, be they drives or persistent memory. The error names them.
Status CheckOneRoot(const std::vector<DriveConfig>& drives, const std::vector<PmemConfig>& pmem);
// A drive's back end is given the memory there is at the start, so none may come later.
Status CheckSocketsWithHotplug(const std::vector<DriveConfig>& drives,
                               const std::optional<MemoryHotplugConfig>& memory_hotplug);

// boot_args or their default.
std::string_view BootArgs(const BootSource& boot_source);
// hardware_description or what follows from the boot arguments.
firmware::HardwareDescription HardwareDescriptionOf(const BootSource& boot_source);

}  // namespace ember::vmm

#endif  // EMBER_VMM_CONFIG_H_
