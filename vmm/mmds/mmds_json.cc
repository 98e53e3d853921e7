#include "vmm/mmds/mmds_json.h"

#include <optional>

#include "base/concat.h"
#include "vmm/config_json_reader.h"

namespace ember::vmm {
namespace {

constexpr Named<MmdsVersion> kVersions[] = {{"V1", MmdsVersion::kV1}, {"V2", MmdsVersion::kV2}};

Result<mmds::Ipv4Address> ReadAddress(const ObjectReader& in) {
  const std::optional<std::string> text = TRY(in.Optional<std::string>("ipv4_address"));
  if (!text) return mmds::kDefaultAddress;
  const std::optional<mmds::Ipv4Address> address = mmds::Ipv4Address::Parse(*text);
  if (address) return *address;
  const JsonValue shown{*text};
  return Error(Concat("ipv4_address: invalid value: ", DescribeJson(shown),
                      ", expected an IPv4 address as 169.254.169.254"));
}

}  // namespace

Result<MmdsConfig> ReadMmds(const JsonValue& json) {
  static constexpr std::string_view kFields[] = {"version", "network_interfaces", "ipv4_address",
                                                 "imds_compat"};
  const ObjectReader in = TRY(ObjectReader::Create(json, kFields));
  MmdsConfig mmds;
  mmds.version = TRY(in.WithDefault("version", kVersions, mmds.version));
  mmds.ipv4_address = TRY(ReadAddress(in));
  mmds.network_interfaces = TRY(in.Required<std::vector<std::string>>("network_interfaces"));
  mmds.imds_compat = TRY(in.WithDefault("imds_compat", mmds.imds_compat));
  return mmds;
}

void WriteFields(JsonWriter& out, const MmdsConfig& mmds) {
  out.Field("version", NameOf(kVersions, mmds.version))
      .Field("ipv4_address", mmds.ipv4_address.ToString())
      .BeginArray("network_interfaces");
  for (const std::string& id : mmds.network_interfaces) out.Item(id);
  out.EndArray().Field("imds_compat", mmds.imds_compat);
}

}  // namespace ember::vmm
