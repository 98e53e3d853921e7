#include "vmm/config_json.h"

#include <algorithm>
#include <utility>

#include "base/concat.h"
#include "vmm/config_json_reader.h"

namespace ember::vmm {
namespace {

constexpr std::array kHugePages = {Named<HugePages>{"None", HugePages::kNone},
                                   Named<HugePages>{"Transparent", HugePages::kTransparent},
                                   Named<HugePages>{"2M", HugePages::k2M}};
constexpr std::array kCacheTypes = {Named<CacheType>{"Unsafe", CacheType::kUnsafe},
                                    Named<CacheType>{"Writeback", CacheType::kWriteback}};
constexpr std::array kIoEngines = {Named<IoEngine>{"Sync", IoEngine::kSync},
                                   Named<IoEngine>{"Async", IoEngine::kAsync}};
constexpr std::array kBootProtocols = {
    Named<BootProtocolChoice>{"Auto", BootProtocolChoice::kAuto},
    Named<BootProtocolChoice>{"Linux64", BootProtocolChoice::kLinux64},
    Named<BootProtocolChoice>{"Pvh", BootProtocolChoice::kPvh}};
constexpr std::array kDescriptions = {
    Named<firmware::HardwareDescription>{"Acpi", firmware::HardwareDescription::kAcpi},
    Named<firmware::HardwareDescription>{"MpTable", firmware::HardwareDescription::kMpTable},
    Named<firmware::HardwareDescription>{"DeviceTree", firmware::HardwareDescription::kDeviceTree}};
// Templates are taken from old clients and change nothing.
enum class CpuTemplate : uint8_t { kNone };
constexpr std::array kCpuTemplates = {Named<CpuTemplate>{"None", CpuTemplate::kNone}};

enum class ActionType : uint8_t { kInstanceStart, kSendCtrlAltDel, kFlushMetrics };
constexpr std::array kActionTypes = {
    Named<ActionType>{"FlushMetrics", ActionType::kFlushMetrics},
    Named<ActionType>{"InstanceStart", ActionType::kInstanceStart},
    Named<ActionType>{"SendCtrlAltDel", ActionType::kSendCtrlAltDel}};
enum class VmState : uint8_t { kPaused, kResumed };
constexpr std::array kVmStates = {Named<VmState>{"Paused", VmState::kPaused},
                                  Named<VmState>{"Resumed", VmState::kResumed}};

template <typename T, size_t n>
std::string NameOf(const std::array<Named<T>, n>& names, T value) {
  return std::string(std::ranges::find(names, value, &Named<T>::value)->name);
}

bool IsResourceId(std::string_view id) {
  return !id.empty() && std::ranges::all_of(id, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  });
}

MachineConfigUpdate ReadMachineConfigUpdate(ObjectReader& in) {
  MachineConfigUpdate update;
  if (const auto count = in.Optional<uint8_t>("vcpu_count")) update.vcpu_count = *count;
  update.mem_size_mib = in.Optional<uint64_t>("mem_size_mib");
  update.smt = in.Optional<bool>("smt");
  in.OptionalOneOf("cpu_template", kCpuTemplates);
  update.track_dirty_pages = in.Optional<bool>("track_dirty_pages");
  update.huge_pages = in.OptionalOneOf("huge_pages", kHugePages);
  return update;
}

Result<MachineConfigUpdate> ReadMachineConfigPatch(const Json& json) {
  ObjectReader in(json);
  MachineConfigUpdate update = ReadMachineConfigUpdate(in);
  TRY(in.Finish());
  return update;
}

Result<MachineConfig> ReadMachineConfig(const Json& json) {
  ObjectReader in(json);
  if (!in.Has("vcpu_count")) in.Fail("missing field `vcpu_count`");
  if (!in.Has("mem_size_mib")) in.Fail("missing field `mem_size_mib`");
  const MachineConfigUpdate update = ReadMachineConfigUpdate(in);
  TRY(in.Finish());
  if (!update.vcpu_count) return Error("vcpu_count: invalid type: null, expected u8");
  if (!update.mem_size_mib) return Error("mem_size_mib: invalid type: null, expected usize");
  return Apply(MachineConfig{}, update);
}

Result<BootSource> ReadBootSource(const Json& json) {
  ObjectReader in(json);
  BootSource source;
  source.kernel_image_path = in.Required<std::string>("kernel_image_path");
  source.initrd_path = in.Optional<std::string>("initrd_path");
  source.boot_args = in.Optional<std::string>("boot_args");
  source.boot_protocol =
      in.OptionalOneOf("boot_protocol", kBootProtocols).value_or(BootProtocolChoice::kAuto);
  source.hardware_description = in.OptionalOneOf("hardware_description", kDescriptions);
  TRY(in.Finish());
  return source;
}

Result<DriveConfig> ReadDrive(const Json& json) {
  ObjectReader in(json);
  DriveConfig drive;
  drive.drive_id = in.Required<std::string>("drive_id");
  drive.is_root_device = in.Required<bool>("is_root_device");
  drive.partuuid = in.Optional<std::string>("partuuid");
  drive.cache_type = in.OptionalOneOf("cache_type", kCacheTypes).value_or(CacheType::kUnsafe);
  drive.is_read_only = in.Optional<bool>("is_read_only").value_or(false);
  drive.path_on_host = in.Optional<std::string>("path_on_host").value_or("");
  drive.io_engine = in.OptionalOneOf("io_engine", kIoEngines).value_or(IoEngine::kSync);
  for (const std::string_view unsupported : {"rate_limiter", "socket"}) {
    const Json* value = in.Take(unsupported);
    if (value != nullptr && !value->is_null()) {
      in.Fail(Concat(unsupported, ": not supported by this version"));
    }
  }
  if (!in.Has("path_on_host")) in.Fail("missing field `path_on_host`");
  TRY(in.Finish());
  if (!IsResourceId(drive.drive_id)) {
    return Error(
        "drive_id: API Resource IDs can only contain alphanumeric characters and underscores.");
  }
  return drive;
}

Result<SerialConfig> ReadSerial(const Json& json) {
  ObjectReader in(json);
  SerialConfig serial{.serial_out_path = in.Optional<std::string>("serial_out_path")};
  TRY(in.Finish());
  return serial;
}

Result<Action> ReadAction(const Json& json) {
  ObjectReader in(json);
  const ActionType type = in.RequiredOneOf("action_type", kActionTypes);
  TRY(in.Finish());
  switch (type) {
    case ActionType::kInstanceStart:
      return InstanceStart{};
    case ActionType::kSendCtrlAltDel:
      return SendCtrlAltDel{};
    case ActionType::kFlushMetrics:
      break;
  }
  return FlushMetrics{};
}

Result<Action> ReadVmState(const Json& json) {
  ObjectReader in(json);
  const VmState state = in.RequiredOneOf("state", kVmStates);
  TRY(in.Finish());
  if (state == VmState::kPaused) return PauseVm{};
  return ResumeVm{};
}

Json ToJsonValue(const MachineConfig& machine) {
  return {{"vcpu_count", machine.vcpu_count},
          {"mem_size_mib", machine.mem_size_mib},
          {"smt", machine.smt},
          {"track_dirty_pages", machine.track_dirty_pages},
          {"huge_pages", NameOf(kHugePages, machine.huge_pages)}};
}

Json ToJsonValue(const BootSource& source) {
  Json json = {{"kernel_image_path", source.kernel_image_path}};
  if (source.initrd_path) json["initrd_path"] = *source.initrd_path;
  if (source.boot_args) json["boot_args"] = *source.boot_args;
  if (source.boot_protocol != BootProtocolChoice::kAuto) {
    json["boot_protocol"] = NameOf(kBootProtocols, source.boot_protocol);
  }
  if (source.hardware_description) {
    json["hardware_description"] = NameOf(kDescriptions, *source.hardware_description);
  }
  return json;
}

Json ToJsonValue(const DriveConfig& drive) {
  Json json = {{"drive_id", drive.drive_id},
               {"is_root_device", drive.is_root_device},
               {"is_read_only", drive.is_read_only},
               {"cache_type", NameOf(kCacheTypes, drive.cache_type)},
               {"io_engine", NameOf(kIoEngines, drive.io_engine)},
               {"path_on_host", drive.path_on_host}};
  if (drive.partuuid) json["partuuid"] = *drive.partuuid;
  return json;
}

// Paths are bytes; what is not UTF-8 cannot be said in JSON and is replaced.
std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// What `read` makes of a request's body; its error is told as the contract tells it.
template <typename T>
Result<T> FromBody(std::string_view body, Result<T> (*read)(const Json&)) {
  Result<Json> json = ParseJson(body);
  Result<T> value = json ? read(*json) : tl::unexpected(std::move(json).error());
  if (value) return value;
  return Error(Concat("An error occurred when deserializing the json body of a request: ",
                      value.error().message(), "."));
}

}  // namespace

Result<Action> ParsePutMachineConfig(std::string_view body) {
  return PutMachineConfig{TRY(FromBody(body, ReadMachineConfig))};
}

Result<Action> ParsePatchMachineConfig(std::string_view body) {
  const MachineConfigUpdate update = TRY(FromBody(body, ReadMachineConfigPatch));
  if (update == MachineConfigUpdate{}) return Error("Empty PATCH request.");
  return PatchMachineConfig{update};
}

Result<Action> ParsePutBootSource(std::string_view body) {
  return PutBootSource{TRY(FromBody(body, ReadBootSource))};
}

Result<Action> ParsePutDrive(std::string_view id, std::string_view body) {
  DriveConfig drive = TRY(FromBody(body, ReadDrive));
  if (drive.drive_id != id) {
    return Error(Concat("The id from the path [", id, "] does not match the id from the body [",
                        drive.drive_id, "]!"));
  }
  return PutDrive{std::move(drive)};
}

Result<Action> ParsePutSerial(std::string_view body) {
  return PutSerial{TRY(FromBody(body, ReadSerial))};
}

Result<Action> ParsePutActions(std::string_view body) { return FromBody(body, ReadAction); }

Result<Action> ParsePatchVm(std::string_view body) { return FromBody(body, ReadVmState); }

Result<VmConfig> ParseConfigFile(std::string_view text) {
  const Json json = TRY(ParseJson(text));
  if (!json.is_object()) return Error("the configuration is not a JSON object");
  VmConfig config;
  const auto boot_source = json.find("boot-source");
  if (boot_source == json.end()) return Error("missing field `boot-source`");
  config.boot_source = TRY_CONTEXT(ReadBootSource(*boot_source), "boot-source");
  TRY_CONTEXT(Validate(*config.boot_source), "boot-source");

  const auto machine = json.find("machine-config");
  if (machine != json.end() && !machine->is_null()) {
    config.machine = TRY_CONTEXT(ReadMachineConfig(*machine), "machine-config");
    TRY_CONTEXT(Validate(config.machine), "machine-config");
  }

  const auto drives = json.find("drives");
  if (drives == json.end()) return Error("missing field `drives`");
  if (!drives->is_array()) return Error("drives: invalid type, expected a sequence");
  for (const Json& entry : *drives) {
    DriveConfig drive = TRY_CONTEXT(ReadDrive(entry), "drives");
    TRY_CONTEXT(Validate(drive), "drives");
    TRY_CONTEXT(InsertDrive(config.drives, std::move(drive)), "drives");
  }
  return config;
}

std::string ToJson(const MachineConfig& machine) { return Dump(ToJsonValue(machine)); }

std::string ToJson(const VmConfig& config) {
  Json json = {{"machine-config", ToJsonValue(config.machine)}, {"drives", Json::array()}};
  for (const DriveConfig& drive : config.drives) json["drives"].push_back(ToJsonValue(drive));
  json["boot-source"] = config.boot_source ? ToJsonValue(*config.boot_source) : Json::object();
  return Dump(json);
}

std::string JsonString(std::string_view text) { return Dump(Json(text)); }

}  // namespace ember::vmm
