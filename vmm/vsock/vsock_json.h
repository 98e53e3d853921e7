#ifndef EMBER_VMM_VSOCK_VSOCK_JSON_H_
#define EMBER_VMM_VSOCK_VSOCK_JSON_H_

#include "base/result.h"
#include "vmm/config_json_value.h"
#include "vmm/config_json_writer.h"
#include "vmm/vsock/vsock.h"

// The socket device as JSON, as vmm/config_json.h describes it.
namespace ember::vmm {

// vsock_id is taken from old clients, and means nothing.
Result<VsockConfig> ReadVsock(const JsonValue& json);
// The members of its object.
void WriteFields(JsonWriter& out, const VsockConfig& vsock);

}  // namespace ember::vmm

#endif  // EMBER_VMM_VSOCK_VSOCK_JSON_H_
