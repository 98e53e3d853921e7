#ifndef EMBER_VMM_ENTROPY_ENTROPY_JSON_H_
#define EMBER_VMM_ENTROPY_ENTROPY_JSON_H_

#include "base/result.h"
#include "vmm/config_json_value.h"
#include "vmm/config_json_writer.h"
#include "vmm/entropy/entropy.h"

// The entropy device as JSON, as vmm/config_json.h describes it.
namespace ember::vmm {

Result<EntropyConfig> ReadEntropy(const JsonValue& json);
// The members of its object.
void WriteFields(JsonWriter& out, const EntropyConfig& entropy);

}  // namespace ember::vmm

#endif  // EMBER_VMM_ENTROPY_ENTROPY_JSON_H_
