#ifndef EMBER_VMM_CONFIG_JSON_H_
#define EMBER_VMM_CONFIG_JSON_H_

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "vmm/balloon/balloon_json.h"
#include "vmm/block/drive_json.h"
#include "vmm/config.h"
#include "vmm/config_json_value.h"
#include "vmm/console/console_json.h"
#include "vmm/cpu/cpu_config_json.h"
#include "vmm/entropy/entropy_json.h"
#include "vmm/lifecycle/lifecycle_json.h"
#include "vmm/memory_hotplug/memory_hotplug_json.h"
#include "vmm/mmds/mmds_json.h"
#include "vmm/net/network_interface_json.h"
#include "vmm/pmem/pmem_json.h"
#include "vmm/vsock/vsock_json.h"

// The parts of a configuration as JSON: what the control API takes and shows, and what the
// configuration file holds. Reading is strict: an unknown, missing or mistyped field is an error
// that names it. What the values mean is not its matter (config.h's Validate()). Pure functions;
// any thread.
namespace ember::vmm {

Result<MachineConfig> ReadMachineConfig(const JsonValue& json);
Result<MachineConfigUpdate> ReadMachineConfigUpdate(const JsonValue& json);
Result<BootSource> ReadBootSource(const JsonValue& json);
Result<SerialConfig> ReadSerial(const JsonValue& json);

// A configuration file: an object with boot-source and drives, and perhaps others. Keys
// that the contract does not know are passed over; sections that it knows and this version has no
// device for are errors unless null or empty, so that no machine starts without what its file asks
// for. Validated as the same calls of the API would be, but for what needs the host.
Result<VmConfig> ParseConfigFile(std::string_view text);
// The same for a file whose sections may be paths of files of their own, as cpu-config may: `read`
// gives a file's text.
using FileReader = std::function<Result<std::string>(const std::string& path)>;
Result<VmConfig> ParseConfigFile(std::string_view text, const FileReader& read);

// What ToJson() below has written of a machine, in a snapshot perhaps: the same, but that the boot
// source is passed over.
Result<VmConfig> ParseSavedConfig(std::string_view text);

// What GET /machine-config answers.
std::string ToJson(const MachineConfig& machine);
// What GET /vm/config answers: every section of the contract, null or empty where it is not
// configured. It is a configuration file again, once there is a boot source.
std::string ToJson(const VmConfig& config);

}  // namespace ember::vmm

#endif  // EMBER_VMM_CONFIG_JSON_H_
