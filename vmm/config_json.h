#ifndef EMBER_VMM_CONFIG_JSON_H_
#define EMBER_VMM_CONFIG_JSON_H_

#include <string>
#include <string_view>

#include "base/result.h"
#include "vmm/action.h"
#include "vmm/config.h"

// The JSON of the control API and of the configuration file, strictly: an unknown, missing,
// duplicated, null or mistyped field is an error that names it. Pure functions; any thread.
//
// `id` is what the request's path names; where the body says another, that is an error too.
namespace ember::vmm {

Result<Action> ParsePutMachineConfig(std::string_view body);
Result<Action> ParsePatchMachineConfig(std::string_view body);
Result<Action> ParsePutBootSource(std::string_view body);
Result<Action> ParsePutDrive(std::string_view id, std::string_view body);
Result<Action> ParsePutSerial(std::string_view body);
// InstanceStart, SendCtrlAltDel or FlushMetrics.
Result<Action> ParsePutActions(std::string_view body);
// PauseVm or ResumeVm.
Result<Action> ParsePatchVm(std::string_view body);

// The configuration file: an object with boot-source and drives, and perhaps machine-config; keys
// it does not know are passed over, unknown fields inside those are errors. Validated as the same
// calls of the API would be, but for what needs the host.
Result<VmConfig> ParseConfigFile(std::string_view text);

// The answers of GET /machine-config and GET /vm/config; the latter is a configuration file again.
std::string ToJson(const MachineConfig& machine);
std::string ToJson(const VmConfig& config);

// The text as a JSON string, quotes included; bytes that are not UTF-8 are replaced.
std::string JsonString(std::string_view text);

}  // namespace ember::vmm

#endif  // EMBER_VMM_CONFIG_JSON_H_
