#include "vmm/snapshot/overrides_json.h"

#include <variant>

#include "base/concat.h"
#include "vmm/net/network_interface_json.h"

namespace ember::vmm {
namespace {

// The contract passes over what it does not know in this object and the next.
Result<NetworkOverride> ReadNetworkOverride(const JsonValue& json) {
  const ObjectReader in = TRY(ObjectReader::CreateTolerant(json));
  NetworkOverride other;
  other.iface_id = TRY(in.Required<std::string>("iface_id"));
  other.tap_fd = TRY(in.Optional<uint32_t>("tap_fd"));
  other.socket_path = TRY(in.Optional<std::string>("socket_path"));
  other.guest_mac = TRY(ReadMacAddress(in, "guest_mac"));
  // Required by the contract, and so where nothing of ours is there.
  other.host_dev_name = other.tap_fd || other.socket_path || other.guest_mac
                            ? TRY(in.Optional<std::string>("host_dev_name"))
                            : TRY(in.Required<std::string>("host_dev_name"));
  return other;
}

Result<VsockOverride> ReadVsockOverride(const JsonValue& json) {
  const ObjectReader in = TRY(ObjectReader::CreateTolerant(json));
  VsockOverride other;
  other.guest_cid = TRY(in.Optional<uint32_t>("guest_cid"));
  other.uds_path = other.guest_cid ? TRY(in.Optional<std::string>("uds_path"))
                                   : TRY(in.Required<std::string>("uds_path"));
  return other;
}

Result<DriveOverride> ReadDriveOverride(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"drive_id", "path_on_host", "overlay_path"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  DriveOverride other;
  other.drive_id = TRY(in.Required<std::string>("drive_id"));
  other.overlay_path = TRY(in.Optional<std::string>("overlay_path"));
  other.path_on_host = other.overlay_path ? TRY(in.Optional<std::string>("path_on_host"))
                                          : TRY(in.Required<std::string>("path_on_host"));
  return other;
}

Result<PmemOverride> ReadPmemOverride(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"id", "path_on_host"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  return PmemOverride{.id = TRY(in.Required<std::string>("id")),
                      .path_on_host = TRY(in.Required<std::string>("path_on_host"))};
}

Result<ConsoleOverride> ReadConsoleOverride(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"id", "socket_path", "output_path"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  ConsoleOverride other;
  other.id = TRY(in.Required<std::string>("id"));
  other.output_path = TRY(in.Optional<std::string>("output_path"));
  other.socket_path = other.output_path ? TRY(in.Optional<std::string>("socket_path"))
                                        : TRY(in.Required<std::string>("socket_path"));
  return other;
}

// The elements of an array that may be absent.
template <typename T>
Result<std::vector<T>> ReadList(const JsonValue& request, std::string_view field,
                                Result<T> (*read)(const JsonValue&)) {
  std::vector<T> list;
  const JsonValue* const json = request.Find(field);
  if (json == nullptr) return list;
  const auto* const entries = std::get_if<JsonValue::Array>(&json->value);
  if (entries == nullptr) {
    return Error(Concat(field, ": invalid type: ", DescribeJson(*json), ", expected a sequence"));
  }
  for (size_t i = 0; i < entries->size(); ++i) {
    list.push_back(TRY_CONTEXT(read((*entries)[i]), Concat(field, "[", i, "]")));
  }
  return list;
}

}  // namespace

Result<Overrides> ReadOverrides(const JsonValue& request) {
  Overrides overrides;
  overrides.network = TRY(ReadList(request, "network_overrides", &ReadNetworkOverride));
  const JsonValue* const vsock = request.Find("vsock_override");
  if (vsock != nullptr && !vsock->is_null()) {
    overrides.vsock = TRY_CONTEXT(ReadVsockOverride(*vsock), "vsock_override");
  }
  overrides.drives = TRY(ReadList(request, "drive_overrides", &ReadDriveOverride));
  overrides.pmem = TRY(ReadList(request, "pmem_overrides", &ReadPmemOverride));
  overrides.console = TRY(ReadList(request, "console_overrides", &ReadConsoleOverride));
  return overrides;
}

}  // namespace ember::vmm
