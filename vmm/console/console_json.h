#ifndef EMBER_VMM_CONSOLE_CONSOLE_JSON_H_
#define EMBER_VMM_CONSOLE_CONSOLE_JSON_H_

#include "base/result.h"
#include "vmm/config_json_value.h"
#include "vmm/config_json_writer.h"
#include "vmm/console/console.h"

// The console as JSON, as vmm/config_json.h describes it.
namespace ember::vmm {

Result<ConsoleConfig> ReadConsole(const JsonValue& json);
Result<ConsoleResize> ReadConsoleResize(const JsonValue& json);
// The members of its object.
void WriteFields(JsonWriter& out, const ConsoleConfig& console);

}  // namespace ember::vmm

#endif  // EMBER_VMM_CONSOLE_CONSOLE_JSON_H_
