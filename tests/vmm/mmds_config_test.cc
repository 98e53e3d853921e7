#include <gtest/gtest.h>

#include <string>

#include "base/concat.h"
#include "tests/vmm/config_parts.h"
#include "vmm/config_json.h"

namespace ember::vmm {
namespace {

std::string ReadError(std::string_view text) {
  const Result<JsonValue> json = ParseJson(text);
  if (!json) return json.error().message();
  const Result<MmdsConfig> mmds = ReadMmds(*json);
  return mmds ? "" : mmds.error().message();
}

TEST(MmdsConfigTest, HasTheDefaultsOfTheContract) {
  const MmdsConfig mmds = *ReadMmds(*ParseJson(R"({"network_interfaces":["eth0"]})"));
  EXPECT_EQ(mmds.version, MmdsVersion::kV1);
  EXPECT_EQ(mmds.ipv4_address.ToString(), "169.254.169.254");
  EXPECT_EQ(mmds.network_interfaces, std::vector<std::string>{"eth0"});
  EXPECT_FALSE(mmds.imds_compat);
}

TEST(MmdsConfigTest, TellsWhichFieldIsWrong) {
  EXPECT_EQ(ReadError("{}"), "missing field `network_interfaces`");
  EXPECT_EQ(ReadError(R"({"network_interfaces":"eth0"})"),
            "network_interfaces: invalid type: string \"eth0\", expected a sequence");
  EXPECT_EQ(ReadError(R"({"network_interfaces":[1]})"),
            "network_interfaces: invalid type: integer `1`, expected a string");
  EXPECT_NE(ReadError(R"({"network_interfaces":null})"), "");
  EXPECT_EQ(ReadError(R"({"network_interfaces":[],"version":"V3"})"),
            "version: unknown variant `V3`, expected `V1` or `V2`");
  EXPECT_NE(ReadError(R"({"network_interfaces":[],"version":null})"), "");
  EXPECT_NE(ReadError(R"({"network_interfaces":[],"imds_compat":1})"), "");
  EXPECT_NE(ReadError(R"({"network_interfaces":[],"ipv4_address":5})"), "");
  EXPECT_EQ(ReadError(R"({"network_interfaces":[],"ipv4_address":""})"),
            "ipv4_address: invalid value: string \"\", expected an IPv4 address as "
            "169.254.169.254");
  EXPECT_NE(ReadError(R"({"network_interfaces":[],"more":1})").find("unknown field `more`"),
            std::string::npos);
}

TEST(MmdsConfigTest, NamesInterfacesThatAreThereAndALinkLocalAddress) {
  const std::vector<NetworkInterfaceConfig> interfaces = {{.iface_id = "a"}, {.iface_id = "b"}};
  const auto error_of = [&](const MmdsConfig& mmds) {
    const Status valid = Validate(mmds, interfaces);
    return valid ? std::string() : valid.error().message();
  };
  MmdsConfig mmds{.network_interfaces = {"b", "a"}};
  EXPECT_EQ(error_of(mmds), "");
  mmds.ipv4_address = *mmds::Ipv4Address::Parse("1.1.1.1");
  EXPECT_NE(error_of(mmds).find("The MMDS IPv4 address is not link local"), std::string::npos);
  mmds = {.network_interfaces = {"a", "c"}};
  EXPECT_NE(error_of(mmds).find("at least one ID that does not correspond"), std::string::npos);
  EXPECT_NE(error_of({}).find("is empty"), std::string::npos);
}

TEST(MmdsConfigTest, IsASectionOfTheFileAndShownAsOne) {
  const std::string text =
      Concat(R"({"boot-source":{"kernel_image_path":"/k"},"drives":[],"network-interfaces":)"
             R"([{"iface_id":"eth0","host_dev_name":"tap0"}],"mmds-config":)"
             R"({"version":"V2","ipv4_address":"169.254.170.2","network_interfaces":["eth0"],)"
             R"("imds_compat":true}})");
  const Result<VmConfig> config = ParseConfigFile(text);
  ASSERT_TRUE(config) << config.error().message();
  ASSERT_TRUE(config->mmds);
  EXPECT_EQ(config->mmds->version, MmdsVersion::kV2);
  const std::string shown = ToJson(*config);
  EXPECT_NE(shown.find(R"("mmds-config":{"version":"V2","ipv4_address":"169.254.170.2",)"
                       R"("network_interfaces":["eth0"],"imds_compat":true})"),
            std::string::npos)
      << shown;
  EXPECT_EQ(*ParseConfigFile(shown), *config);
}

TEST(MmdsConfigTest, OfTheFileNamesInterfacesOfTheFile) {
  const Result<VmConfig> config =
      ParseConfigFile(R"({"boot-source":{"kernel_image_path":"/k"},"drives":[],)"
                      R"("mmds-config":{"network_interfaces":["eth0"]}})");
  ASSERT_FALSE(config);
  EXPECT_TRUE(config.error().message().starts_with("mmds-config: The list of network interface"));
}

}  // namespace
}  // namespace ember::vmm
