#include "vmm/net/network_interface_json.h"

#include "base/concat.h"
#include "vmm/config_json_reader.h"
#include "vmm/rate_limiter/rate_limiter_json.h"

namespace ember::vmm {
Result<std::optional<MacAddress>> ReadMacAddress(const ObjectReader& in, std::string_view field) {
  const std::optional<std::string> text = TRY(in.Optional<std::string>(field));
  if (!text) return std::optional<MacAddress>();
  const std::optional<MacAddress> address = MacAddress::Parse(*text);
  if (!address) {
    const JsonValue shown{*text};
    return Error(Concat(field, ": invalid value: ", DescribeJson(shown),
                        ", expected a MAC address as 06:00:c0:a8:00:01"));
  }
  return address;
}

Result<NetworkInterfaceConfig> ReadNetworkInterface(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {
      "iface_id",        "host_dev_name", "guest_mac",   "mtu",         "rx_rate_limiter",
      "tx_rate_limiter", "tap_fd",        "socket_path", "queue_pairs", "thread"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  NetworkInterfaceConfig interface;
  interface.iface_id = TRY(in.Required<std::string>("iface_id"));
  interface.tap_fd = TRY(in.Optional<uint32_t>("tap_fd"));
  interface.socket_path = TRY(in.Optional<std::string>("socket_path"));
  // Required by the contract, and so where nothing of ours takes its place.
  interface.host_dev_name = interface.tap_fd || interface.socket_path
                                ? TRY(in.Optional<std::string>("host_dev_name"))
                                : TRY(in.Required<std::string>("host_dev_name"));
  interface.guest_mac = TRY(ReadMacAddress(in, "guest_mac"));
  interface.mtu = TRY(in.Optional<uint16_t>("mtu"));
  interface.rx_rate_limiter = TRY(ReadRateLimiter(in, "rx_rate_limiter"));
  interface.tx_rate_limiter = TRY(ReadRateLimiter(in, "tx_rate_limiter"));
  interface.queue_pairs = TRY(in.Optional<uint16_t>("queue_pairs")).value_or(interface.queue_pairs);
  interface.thread = TRY(in.Optional("thread", kThreadChoices)).value_or(interface.thread);
  return interface;
}

Result<NetworkInterfaceUpdate> ReadNetworkInterfaceUpdate(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"iface_id", "rx_rate_limiter", "tx_rate_limiter"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  NetworkInterfaceUpdate update;
  update.iface_id = TRY(in.Required<std::string>("iface_id"));
  update.rx_rate_limiter = TRY(ReadRateLimiter(in, "rx_rate_limiter"));
  update.tx_rate_limiter = TRY(ReadRateLimiter(in, "tx_rate_limiter"));
  return update;
}

void WriteFields(JsonWriter& out, const NetworkInterfaceConfig& interface) {
  std::optional<std::string> address;
  if (interface.guest_mac) address = interface.guest_mac->ToString();
  out.Field("iface_id", interface.iface_id);
  if (interface.host_dev_name) out.Field("host_dev_name", *interface.host_dev_name);
  out.OptionalField("guest_mac", address);
  if (interface.mtu) out.Field("mtu", *interface.mtu);
  WriteRateLimiter(out, "rx_rate_limiter", interface.rx_rate_limiter);
  WriteRateLimiter(out, "tx_rate_limiter", interface.tx_rate_limiter);
  // Ours; a client of the contract meets them only where it set them.
  if (interface.tap_fd) out.Field("tap_fd", *interface.tap_fd);
  if (interface.socket_path) out.Field("socket_path", *interface.socket_path);
  if (interface.queue_pairs != 1) out.Field("queue_pairs", interface.queue_pairs);
  if (interface.thread != ThreadChoice::kVmm) {
    out.Field("thread", NameOf(kThreadChoices, interface.thread));
  }
}

}  // namespace ember::vmm
