#ifndef EMBER_VMM_LOGGER_LOGGER_JSON_H_
#define EMBER_VMM_LOGGER_LOGGER_JSON_H_

#include "base/result.h"
#include "vmm/config_json_value.h"
#include "vmm/logger/logger.h"

// The log's set-up as JSON, as vmm/config_json.h describes it. It is never shown: clients of the
// contract find null.
namespace ember::vmm {

Result<LoggerConfig> ReadLogger(const JsonValue& json);

}  // namespace ember::vmm

#endif  // EMBER_VMM_LOGGER_LOGGER_JSON_H_
