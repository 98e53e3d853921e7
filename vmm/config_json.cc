#include "vmm/config_json.h"

#include <cstddef>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "base/concat.h"
#include "vmm/balloon/balloon_json.h"
#include "vmm/block/drive_json.h"
#include "vmm/config_json_reader.h"
#include "vmm/config_json_writer.h"
#include "vmm/console/console_json.h"
#include "vmm/cpu/cpu_config_json.h"
#include "vmm/entropy/entropy_json.h"
#include "vmm/logger/logger_json.h"
#include "vmm/memory_hotplug/memory_hotplug_json.h"
#include "vmm/mmds/mmds_json.h"
#include "vmm/net/network_interface_json.h"
#include "vmm/pmem/pmem_json.h"
#include "vmm/rate_limiter/rate_limiter_json.h"
#include "vmm/vsock/vsock_json.h"

namespace ember::vmm {
namespace {

using firmware::HardwareDescription;

constexpr Named<HugePages> kHugePages[] = {
    {"None", HugePages::kNone}, {"Transparent", HugePages::kTransparent}, {"2M", HugePages::k2M}};
constexpr Named<CpuTemplate> kCpuTemplates[] = {
    {"C3", CpuTemplate::kC3},     {"T2", CpuTemplate::kT2},   {"T2S", CpuTemplate::kT2S},
    {"T2CL", CpuTemplate::kT2CL}, {"T2A", CpuTemplate::kT2A}, {"V1N1", CpuTemplate::kV1N1},
    {"None", CpuTemplate::kNone},
};
constexpr Named<BootProtocolChoice> kBootProtocols[] = {{"Auto", BootProtocolChoice::kAuto},
                                                        {"Linux64", BootProtocolChoice::kLinux64},
                                                        {"Pvh", BootProtocolChoice::kPvh}};
constexpr Named<HardwareDescription> kDescriptions[] = {
    {"Acpi", HardwareDescription::kAcpi},
    {"MpTable", HardwareDescription::kMpTable},
    {"DeviceTree", HardwareDescription::kDeviceTree}};

constexpr std::string_view kMachineFields[] = {"vcpu_count",   "mem_size_mib",      "smt",
                                               "cpu_template", "track_dirty_pages", "huge_pages",
                                               "forkable"};

// The section, or null where it is absent or null.
const JsonValue* FindSection(const JsonValue& json, std::string_view name) {
  const JsonValue* section = json.Find(name);
  return section == nullptr || section->is_null() ? nullptr : section;
}

Result<BootSource> ReadBootSourceSection(const JsonValue& json) {
  const JsonValue* section = FindSection(json, "boot-source");
  if (section == nullptr) return Error("missing field `boot-source`");
  BootSource boot_source = TRY_CONTEXT(ReadBootSource(*section), "boot-source");
  TRY_CONTEXT(Validate(boot_source), "boot-source");
  return boot_source;
}

Result<MachineConfig> ReadMachineSection(const JsonValue& json) {
  const JsonValue* section = FindSection(json, "machine-config");
  if (section == nullptr) return MachineConfig{};
  const MachineConfig machine = TRY_CONTEXT(ReadMachineConfig(*section), "machine-config");
  TRY_CONTEXT(Validate(machine), "machine-config");
  return machine;
}

// Inline, or the path of a file that holds it.
Result<std::optional<CpuConfig>> ReadCpuSection(const JsonValue& json, const FileReader& read) {
  const JsonValue* section = FindSection(json, "cpu-config");
  if (section == nullptr) return std::nullopt;
  const auto* path = std::get_if<std::string>(&section->value);
  if (path == nullptr) return TRY_CONTEXT(ReadCpuConfig(*section), "cpu-config");
  const std::string text = TRY_CONTEXT(read(*path), "cpu-config");
  const JsonValue file = TRY_CONTEXT(ParseJson(text), Concat("cpu-config: ", *path));
  return TRY_CONTEXT(ReadCpuConfig(file), Concat("cpu-config: ", *path));
}

Result<std::optional<BalloonConfig>> ReadBalloonSection(const JsonValue& json,
                                                        const MachineConfig& machine) {
  const JsonValue* section = FindSection(json, "balloon");
  if (section == nullptr) return std::optional<BalloonConfig>();
  const BalloonConfig balloon = TRY_CONTEXT(ReadBalloon(*section), "balloon");
  TRY_CONTEXT(CheckBalloonFits(balloon.amount_mib, machine.mem_size_mib), "balloon");
  return std::optional<BalloonConfig>(balloon);
}

Result<std::vector<PmemConfig>> ReadPmemSection(const JsonValue& json) {
  std::vector<PmemConfig> devices;
  const JsonValue* section = FindSection(json, "pmem");
  if (section == nullptr) return devices;
  const auto* entries = std::get_if<JsonValue::Array>(&section->value);
  if (entries == nullptr) {
    return Error(Concat("pmem: invalid type: ", DescribeJson(*section), ", expected a sequence"));
  }
  for (size_t i = 0; i < entries->size(); ++i) {
    const std::string where = Concat("pmem[", i, "]");
    PmemConfig pmem = TRY_CONTEXT(ReadPmem((*entries)[i]), where);
    TRY_CONTEXT(Validate(pmem), where);
    TRY_CONTEXT(InsertPmem(devices, std::move(pmem)), where);
  }
  return devices;
}

Result<std::vector<DriveConfig>> ReadDrivesSection(const JsonValue& json) {
  const JsonValue* section = json.Find("drives");
  if (section == nullptr) return Error("missing field `drives`");
  const auto* entries = std::get_if<JsonValue::Array>(&section->value);
  if (entries == nullptr) {
    return Error(Concat("drives: invalid type: ", DescribeJson(*section), ", expected a sequence"));
  }
  std::vector<DriveConfig> drives;
  for (size_t i = 0; i < entries->size(); ++i) {
    const std::string where = Concat("drives[", i, "]");
    DriveConfig drive = TRY_CONTEXT(ReadDrive((*entries)[i]), where);
    TRY_CONTEXT(Validate(drive), where);
    TRY_CONTEXT(InsertDrive(drives, std::move(drive)), where);
  }
  return drives;
}

Result<std::vector<NetworkInterfaceConfig>> ReadNetworkInterfacesSection(const JsonValue& json) {
  std::vector<NetworkInterfaceConfig> interfaces;
  const JsonValue* section = FindSection(json, "network-interfaces");
  if (section == nullptr) return interfaces;
  const auto* entries = std::get_if<JsonValue::Array>(&section->value);
  if (entries == nullptr) {
    return Error(Concat("network-interfaces: invalid type: ", DescribeJson(*section),
                        ", expected a sequence"));
  }
  for (size_t i = 0; i < entries->size(); ++i) {
    const std::string where = Concat("network-interfaces[", i, "]");
    NetworkInterfaceConfig interface = TRY_CONTEXT(ReadNetworkInterface((*entries)[i]), where);
    TRY_CONTEXT(Validate(interface), where);
    TRY_CONTEXT(InsertNetworkInterface(interfaces, std::move(interface)), where);
  }
  return interfaces;
}

Result<std::optional<VsockConfig>> ReadVsockSection(const JsonValue& json) {
  const JsonValue* section = FindSection(json, "vsock");
  if (section == nullptr) return std::nullopt;
  VsockConfig vsock = TRY_CONTEXT(ReadVsock(*section), "vsock");
  TRY_CONTEXT(Validate(vsock), "vsock");
  return vsock;
}

Result<std::optional<MemoryHotplugConfig>> ReadMemoryHotplugSection(const JsonValue& json) {
  const JsonValue* section = FindSection(json, "memory-hotplug");
  if (section == nullptr) return std::nullopt;
  const MemoryHotplugConfig memory = TRY_CONTEXT(ReadMemoryHotplug(*section), "memory-hotplug");
  TRY_CONTEXT(Validate(memory), "memory-hotplug");
  return memory;
}

Result<std::optional<MmdsConfig>> ReadMmdsSection(
    const JsonValue& json, const std::vector<NetworkInterfaceConfig>& interfaces) {
  const JsonValue* section = FindSection(json, "mmds-config");
  if (section == nullptr) return std::nullopt;
  const MmdsConfig mmds = TRY_CONTEXT(ReadMmds(*section), "mmds-config");
  TRY_CONTEXT(Validate(mmds, interfaces), "mmds-config");
  return mmds;
}

// All sections that say what the machine is, but for what it boots.
Status ReadMachine(const JsonValue& json, const FileReader& read, VmConfig& config) {
  config.machine = TRY(ReadMachineSection(json));
  config.cpu = TRY(ReadCpuSection(json, read));
  if (config.cpu) config.machine.cpu_template = CpuTemplate::kNone;
  config.drives = TRY(ReadDrivesSection(json));
  config.pmem = TRY(ReadPmemSection(json));
  TRY(CheckOneRoot(config.drives, config.pmem));
  config.balloon = TRY(ReadBalloonSection(json, config.machine));
  config.network_interfaces = TRY(ReadNetworkInterfacesSection(json));
  config.mmds = TRY(ReadMmdsSection(json, config.network_interfaces));
  if (const JsonValue* section = FindSection(json, "entropy")) {
    config.entropy = TRY_CONTEXT(ReadEntropy(*section), "entropy");
  }
  if (const JsonValue* section = FindSection(json, "console")) {
    config.console = TRY_CONTEXT(ReadConsole(*section), "console");
    TRY_CONTEXT(Validate(*config.console), "console");
  }
  if (const JsonValue* section = FindSection(json, "lifecycle")) {
    config.lifecycle = TRY_CONTEXT(ReadLifecycle(*section), "lifecycle");
    TRY_CONTEXT(Validate(*config.lifecycle), "lifecycle");
  }
  config.vsock = TRY(ReadVsockSection(json));
  config.memory_hotplug = TRY(ReadMemoryHotplugSection(json));
  return CheckSocketsWithHotplug(config.drives, config.memory_hotplug);
}

// No file beside the text is read.
Result<std::string> ReadNone(const std::string& path) {
  return Error(Concat(path, ": files beside the configuration are not read here"));
}

Result<JsonValue> ParseMap(std::string_view text) {
  JsonValue json = TRY(ParseJson(text));
  if (std::holds_alternative<JsonValue::Object>(json.value)) return json;
  return Error(Concat("invalid type: ", DescribeJson(json), ", expected a map"));
}

void WriteFields(JsonWriter& out, const MachineConfig& machine) {
  out.Field("vcpu_count", machine.vcpu_count)
      .Field("mem_size_mib", machine.mem_size_mib)
      .Field("smt", machine.smt);
  if (machine.cpu_template != CpuTemplate::kNone) {
    out.Field("cpu_template", NameOf(kCpuTemplates, machine.cpu_template));
  }
  out.Field("track_dirty_pages", machine.track_dirty_pages)
      .Field("huge_pages", NameOf(kHugePages, machine.huge_pages));
  // Ours; a client of the contract meets it only where it set it.
  if (machine.forkable) out.Field("forkable", true);
}

void WriteFields(JsonWriter& out, const BootSource& source) {
  out.Field("kernel_image_path", source.kernel_image_path)
      .OptionalField("initrd_path", source.initrd_path)
      .OptionalField("boot_args", source.boot_args);
  // Ours; a client of the contract meets them only where it set them.
  if (source.boot_protocol != BootProtocolChoice::kAuto) {
    out.Field("boot_protocol", NameOf(kBootProtocols, source.boot_protocol));
  }
  if (source.hardware_description) {
    out.Field("hardware_description", NameOf(kDescriptions, *source.hardware_description));
  }
}

// A member of the configuration that is null where there is nothing.
template <typename T>
void WriteSection(JsonWriter& out, std::string_view name, const std::optional<T>& section) {
  if (!section) {
    out.Null(name);
    return;
  }
  out.BeginObject(name);
  WriteFields(out, *section);
  out.EndObject();
}

}  // namespace

Result<MachineConfig> ReadMachineConfig(const JsonValue& json) {
  const ObjectReader in = TRY(ObjectReader::Create(json, kMachineFields));
  MachineConfig machine;
  machine.vcpu_count = TRY(in.Required<uint8_t>("vcpu_count"));
  machine.mem_size_mib = TRY(in.Required<uint64_t>("mem_size_mib"));
  machine.smt = TRY(in.WithDefault("smt", machine.smt));
  machine.cpu_template =
      TRY(in.Optional("cpu_template", kCpuTemplates)).value_or(machine.cpu_template);
  machine.track_dirty_pages = TRY(in.WithDefault("track_dirty_pages", machine.track_dirty_pages));
  machine.huge_pages = TRY(in.WithDefault("huge_pages", kHugePages, machine.huge_pages));
  machine.forkable = TRY(in.WithDefault("forkable", machine.forkable));
  return machine;
}

Result<MachineConfigUpdate> ReadMachineConfigUpdate(const JsonValue& json) {
  const ObjectReader in = TRY(ObjectReader::Create(json, kMachineFields));
  MachineConfigUpdate update;
  update.vcpu_count = TRY(in.Optional<uint8_t>("vcpu_count"));
  update.mem_size_mib = TRY(in.Optional<uint64_t>("mem_size_mib"));
  update.smt = TRY(in.Optional<bool>("smt"));
  update.cpu_template = TRY(in.Optional("cpu_template", kCpuTemplates));
  update.track_dirty_pages = TRY(in.Optional<bool>("track_dirty_pages"));
  update.huge_pages = TRY(in.Optional("huge_pages", kHugePages));
  update.forkable = TRY(in.Optional<bool>("forkable"));
  return update;
}

Result<BootSource> ReadBootSource(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"kernel_image_path", "initrd_path", "boot_args",
                                                 "boot_protocol", "hardware_description"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  BootSource source;
  source.kernel_image_path = TRY(in.Required<std::string>("kernel_image_path"));
  source.initrd_path = TRY(in.Optional<std::string>("initrd_path"));
  source.boot_args = TRY(in.Optional<std::string>("boot_args"));
  source.boot_protocol =
      TRY(in.Optional("boot_protocol", kBootProtocols)).value_or(source.boot_protocol);
  source.hardware_description = TRY(in.Optional("hardware_description", kDescriptions));
  return source;
}

Result<SerialConfig> ReadSerial(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"serial_out_path", "rate_limiter"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  SerialConfig serial;
  serial.serial_out_path = TRY(in.Optional<std::string>("serial_out_path"));
  serial.rate_limiter = TRY(ReadTokenBucket(in, "rate_limiter"));
  return serial;
}

Result<VmConfig> ParseConfigFile(std::string_view text) { return ParseConfigFile(text, ReadNone); }

Result<VmConfig> ParseConfigFile(std::string_view text, const FileReader& read) {
  const JsonValue json = TRY(ParseMap(text));
  VmConfig config;
  if (const JsonValue* section = FindSection(json, "logger")) {
    config.logger = TRY_CONTEXT(ReadLogger(*section), "logger");
  }
  if (const JsonValue* section = FindSection(json, "metrics")) {
    config.metrics = TRY_CONTEXT(ReadMetrics(*section), "metrics");
  }
  config.boot_source = TRY(ReadBootSourceSection(json));
  TRY(ReadMachine(json, read, config));
  return config;
}

Result<VmConfig> ParseSavedConfig(std::string_view text) {
  const JsonValue json = TRY(ParseMap(text));
  VmConfig config;
  TRY(ReadMachine(json, ReadNone, config));
  return config;
}

std::string ToJson(const MachineConfig& machine) {
  JsonWriter out;
  out.BeginObject();
  WriteFields(out, machine);
  out.EndObject();
  return std::move(out).Take();
}

std::string ToJson(const VmConfig& config) {
  JsonWriter out;
  out.BeginObject();
  WriteSection(out, "balloon", config.balloon);
  out.BeginArray("drives");
  for (const DriveConfig& drive : config.drives) {
    out.BeginObject();
    WriteFields(out, drive);
    out.EndObject();
  }
  out.EndArray().BeginObject("boot-source");
  WriteFields(out, config.boot_source.value_or(BootSource{}));
  out.EndObject();
  WriteSection(out, "cpu-config", config.cpu);
  out.Null("logger").BeginObject("machine-config");
  WriteFields(out, config.machine);
  out.EndObject().Null("metrics");
  WriteSection(out, "mmds-config", config.mmds);
  out.BeginArray("network-interfaces");
  for (const NetworkInterfaceConfig& interface : config.network_interfaces) {
    out.BeginObject();
    WriteFields(out, interface);
    out.EndObject();
  }
  out.EndArray();
  WriteSection(out, "vsock", config.vsock);
  WriteSection(out, "entropy", config.entropy);
  out.BeginArray("pmem");
  for (const PmemConfig& pmem : config.pmem) {
    out.BeginObject();
    WriteFields(out, pmem);
    out.EndObject();
  }
  out.EndArray();
  WriteSection(out, "memory-hotplug", config.memory_hotplug);
  // Ours; a client of the contract meets them only where it set them.
  if (config.console) WriteSection(out, "console", config.console);
  if (config.lifecycle) WriteSection(out, "lifecycle", config.lifecycle);
  out.EndObject();
  return std::move(out).Take();
}

}  // namespace ember::vmm
