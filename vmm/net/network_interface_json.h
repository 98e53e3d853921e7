#ifndef EMBER_VMM_NET_NETWORK_INTERFACE_JSON_H_
#define EMBER_VMM_NET_NETWORK_INTERFACE_JSON_H_

#include <optional>
#include <string_view>

#include "base/mac_address.h"
#include "base/result.h"
#include "vmm/config_json_reader.h"
#include "vmm/config_json_value.h"
#include "vmm/config_json_writer.h"
#include "vmm/net/network_interface.h"

// Network interfaces as JSON, as vmm/config_json.h describes it.
namespace ember::vmm {

Result<NetworkInterfaceConfig> ReadNetworkInterface(const JsonValue& json);
Result<NetworkInterfaceUpdate> ReadNetworkInterfaceUpdate(const JsonValue& json);
// A field that is an address; nothing where it is absent or null.
Result<std::optional<MacAddress>> ReadMacAddress(const ObjectReader& in, std::string_view field);
// The members of an interface's object.
void WriteFields(JsonWriter& out, const NetworkInterfaceConfig& interface);

}  // namespace ember::vmm

#endif  // EMBER_VMM_NET_NETWORK_INTERFACE_JSON_H_
