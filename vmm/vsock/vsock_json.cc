#include "vmm/vsock/vsock_json.h"

#include "vmm/config_json_reader.h"

namespace ember::vmm {

Result<VsockConfig> ReadVsock(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"guest_cid", "uds_path", "vsock_id", "thread"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  VsockConfig vsock;
  vsock.guest_cid = TRY(in.Required<uint32_t>("guest_cid"));
  vsock.uds_path = TRY(in.Required<std::string>("uds_path"));
  TRY(in.Optional<std::string>("vsock_id"));
  vsock.thread = TRY(in.Optional("thread", kThreadChoices)).value_or(vsock.thread);
  return vsock;
}

void WriteFields(JsonWriter& out, const VsockConfig& vsock) {
  out.Field("guest_cid", vsock.guest_cid).Field("uds_path", vsock.uds_path);
  if (vsock.thread != ThreadChoice::kVmm) {
    out.Field("thread", NameOf(kThreadChoices, vsock.thread));
  }
}

}  // namespace ember::vmm
