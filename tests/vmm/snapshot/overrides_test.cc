#include "vmm/snapshot/overrides.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <string_view>

#include "vmm/snapshot/overrides_json.h"

namespace ember::vmm {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Fault(const Status& status) { return status ? "" : status.error().message(); }
std::string ReadFault(std::string_view text) {
  const auto overrides = ReadOverrides(*ParseJson(text));
  return overrides ? "" : overrides.error().message();
}

MacAddress Mac(std::string_view text) { return *MacAddress::Parse(text); }

VmConfig Saved() {
  VmConfig config;
  config.drives = {{.drive_id = "d", .path_on_host = "disk"},
                   {.drive_id = "r", .path_on_host = "ro", .is_read_only = true}};
  config.pmem = {{.id = "p", .path_on_host = "pmem"}};
  config.network_interfaces = {
      {.iface_id = "a", .host_dev_name = "tap0", .guest_mac = Mac("06:00:00:00:00:01")},
      {.iface_id = "b", .socket_path = "peer", .mtu = 1400}};
  config.vsock = VsockConfig{.guest_cid = 3, .uds_path = "v"};
  config.console = ConsoleConfig{.ports = {{.id = "x", .socket_path = "sx", .output_path = "log"},
                                           {.id = "y", .socket_path = "sy"}}};
  return config;
}

// What remains of the saved machine's configuration, with what the change makes of it.
VmConfig SavedBut(const std::function<void(VmConfig&)>& change) {
  VmConfig config = Saved();
  change(config);
  return config;
}

VmConfig Overridden(const Overrides& overrides) {
  VmConfig config = Saved();
  EXPECT_EQ(Fault(Override(config, overrides)), "");
  return config;
}

std::string OverrideFault(const Overrides& overrides) {
  VmConfig config = Saved();
  return Fault(Override(config, overrides));
}

TEST(OverridesTest, EveryFieldIsRead) {
  const auto read = ReadOverrides(*ParseJson(R"({
      "network_overrides":[{"iface_id":"a","host_dev_name":"t","more":1},
        {"iface_id":"b","tap_fd":7},{"iface_id":"c","socket_path":"s","guest_mac":"06:00:00:00:00:02"}],
      "vsock_override":{"uds_path":"w","guest_cid":9,"more":1},
      "drive_overrides":[{"drive_id":"d","path_on_host":"q","overlay_path":"o"}],
      "pmem_overrides":[{"id":"p","path_on_host":"q"}],
      "console_overrides":[{"id":"x","socket_path":"s","output_path":"l"}]})"));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(
      *read,
      (Overrides{
          .network = {{.iface_id = "a", .host_dev_name = "t"},
                      {.iface_id = "b", .tap_fd = 7},
                      {.iface_id = "c", .socket_path = "s", .guest_mac = Mac("06:00:00:00:00:02")}},
          .vsock = VsockOverride{.uds_path = "w", .guest_cid = 9},
          .drives = {{.drive_id = "d", .path_on_host = "q", .overlay_path = "o"}},
          .pmem = {{.id = "p", .path_on_host = "q"}},
          .console = {{.id = "x", .socket_path = "s", .output_path = "l"}}}));
}

TEST(OverridesTest, NoneIsNone) {
  const auto read = ReadOverrides(*ParseJson(R"({"vsock_override":null})"));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, Overrides{});
  EXPECT_EQ(Overridden({}), Saved());
}

TEST(OverridesTest, AnOverrideSaysSomething) {
  EXPECT_EQ(ReadFault(R"({"network_overrides":[{}]})"),
            "network_overrides[0]: missing field `iface_id`");
  EXPECT_EQ(ReadFault(R"({"network_overrides":[{"iface_id":"a"}]})"),
            "network_overrides[0]: missing field `host_dev_name`");
  EXPECT_EQ(ReadFault(R"({"vsock_override":{}})"), "vsock_override: missing field `uds_path`");
  EXPECT_EQ(ReadFault(R"({"drive_overrides":[{"drive_id":"d"}]})"),
            "drive_overrides[0]: missing field `path_on_host`");
  EXPECT_EQ(ReadFault(R"({"pmem_overrides":[{"id":"p"}]})"),
            "pmem_overrides[0]: missing field `path_on_host`");
  EXPECT_EQ(ReadFault(R"({"console_overrides":[{"id":"x"}]})"),
            "console_overrides[0]: missing field `socket_path`");
}

TEST(OverridesTest, WhatIsWrongWithOneIsNamed) {
  EXPECT_THAT(ReadFault(R"({"vsock_override":1})"), StartsWith("vsock_override: invalid type"));
  EXPECT_THAT(ReadFault(R"({"drive_overrides":1})"), StartsWith("drive_overrides: invalid type"));
  EXPECT_THAT(ReadFault(R"({"network_overrides":null})"),
              StartsWith("network_overrides: invalid type: null"));
  EXPECT_THAT(ReadFault(R"({"drive_overrides":[{"drive_id":"d","path":"q"}]})"),
              StartsWith("drive_overrides[0]: unknown field `path`"));
  EXPECT_THAT(ReadFault(R"({"network_overrides":[{"iface_id":"a","guest_mac":"6"}]})"),
              StartsWith("network_overrides[0]: guest_mac: invalid value"));
}

TEST(OverridesTest, AnInterfaceGetsAnotherBackEndInPlaceOfWhateverItHad) {
  EXPECT_EQ(Overridden({.network = {{.iface_id = "a", .host_dev_name = "tap1"},
                                    {.iface_id = "b", .host_dev_name = "tap0"}}}),
            SavedBut([](VmConfig& config) {
              config.network_interfaces[0].host_dev_name = "tap1";
              config.network_interfaces[1].host_dev_name = "tap0";
              config.network_interfaces[1].socket_path.reset();
            }));
  EXPECT_EQ(Overridden({.network = {{.iface_id = "a", .socket_path = "other"},
                                    {.iface_id = "b", .tap_fd = 9}}}),
            SavedBut([](VmConfig& config) {
              config.network_interfaces[0].host_dev_name.reset();
              config.network_interfaces[0].socket_path = "other";
              config.network_interfaces[1].socket_path.reset();
              config.network_interfaces[1].tap_fd = 9;
            }));
}

TEST(OverridesTest, AnInterfaceGetsAnotherAddressAndKeepsItsBackEnd) {
  EXPECT_EQ(Overridden({.network = {{.iface_id = "a", .guest_mac = Mac("06:00:00:00:00:02")},
                                    {.iface_id = "b", .guest_mac = Mac("06:00:00:00:00:01")}}}),
            SavedBut([](VmConfig& config) {
              config.network_interfaces[0].guest_mac = Mac("06:00:00:00:00:02");
              config.network_interfaces[1].guest_mac = Mac("06:00:00:00:00:01");
            }));
}

TEST(OverridesTest, TheSocketDeviceGetsAnotherPathAndAnotherCid) {
  EXPECT_EQ(Overridden({.vsock = VsockOverride{.uds_path = "w"}}),
            SavedBut([](VmConfig& config) { config.vsock->uds_path = "w"; }));
  EXPECT_EQ(Overridden({.vsock = VsockOverride{.guest_cid = 4}}),
            SavedBut([](VmConfig& config) { config.vsock->guest_cid = 4; }));
}

TEST(OverridesTest, DrivesAndPersistentMemoryGetOtherFiles) {
  EXPECT_EQ(Overridden({.drives = {{.drive_id = "d", .path_on_host = "q"}}}),
            SavedBut([](VmConfig& config) { config.drives[0].path_on_host = "q"; }));
  EXPECT_EQ(Overridden({.drives = {{.drive_id = "d", .overlay_path = "o"}}}),
            SavedBut([](VmConfig& config) { config.drives[0].overlay_path = "o"; }));
  EXPECT_EQ(Overridden({.pmem = {{.id = "p", .path_on_host = "q"}}}),
            SavedBut([](VmConfig& config) { config.pmem[0].path_on_host = "q"; }));
}

TEST(OverridesTest, PortsMayExchangeTheirPaths) {
  EXPECT_EQ(Overridden({.console = {{.id = "x", .socket_path = "sy"},
                                    {.id = "y", .socket_path = "sx", .output_path = "l"}}}),
            SavedBut([](VmConfig& config) {
              config.console->ports[0].socket_path = "sy";
              config.console->ports[1].socket_path = "sx";
              config.console->ports[1].output_path = "l";
            }));
}

TEST(OverridesTest, WhatIsNotThereIsNamed) {
  EXPECT_EQ(OverrideFault({.network = {{.iface_id = "c", .host_dev_name = "tap1"}}}),
            "network_overrides[0]: Unknown Network Device: the snapshot has none of the id c");
  EXPECT_EQ(OverrideFault({.drives = {{.drive_id = "d", .path_on_host = "q"},
                                      {.drive_id = "e", .path_on_host = "q"}}}),
            "drive_overrides[1]: Unknown Drive: the snapshot has none of the id e");
  EXPECT_EQ(OverrideFault({.pmem = {{.id = "d", .path_on_host = "q"}}}),
            "pmem_overrides[0]: Unknown Pmem Device: the snapshot has none of the id d");
  EXPECT_EQ(OverrideFault({.console = {{.id = "z", .socket_path = "q"}}}),
            "console_overrides[0]: Unknown Console Port: the snapshot has none of the id z");
  VmConfig config;
  EXPECT_EQ(Fault(Override(config, {.vsock = VsockOverride{.guest_cid = 4}})),
            "vsock_override: Unknown Vsock Device: the snapshot has none");
  EXPECT_EQ(Fault(Override(config, {.console = {{.id = "x", .socket_path = "q"}}})),
            "console_overrides[0]: Unknown Console: the snapshot has none");
}

TEST(OverridesTest, TheOutcomeIsCheckedLikeAnyConfiguration) {
  EXPECT_THAT(OverrideFault({.network = {{.iface_id = "b", .host_dev_name = "tap0"}}}),
              HasSubstr("tap0 is already in use by a"));
  EXPECT_THAT(
      OverrideFault({.network = {{.iface_id = "b", .guest_mac = Mac("06:00:00:00:00:01")}}}),
      HasSubstr("06:00:00:00:00:01 is already in use by a"));
  EXPECT_THAT(
      OverrideFault({.network = {{.iface_id = "b", .host_dev_name = "t", .socket_path = "s"}}}),
      HasSubstr("2 of these are given"));
  EXPECT_THAT(OverrideFault({.vsock = VsockOverride{.guest_cid = 2}}),
              HasSubstr("guest_cid 2 is below the least allowed, 3"));
  EXPECT_THAT(OverrideFault({.drives = {{.drive_id = "r", .overlay_path = "o"}}}),
              HasSubstr("is_read_only is true"));
  EXPECT_THAT(OverrideFault({.drives = {{.drive_id = "d", .path_on_host = ""}}}),
              HasSubstr("path_on_host is empty"));
  EXPECT_THAT(OverrideFault({.pmem = {{.id = "p", .path_on_host = ""}}}),
              HasSubstr("path_on_host is empty"));
  EXPECT_THAT(OverrideFault({.console = {{.id = "x", .socket_path = "sy"}}}),
              HasSubstr("socket_path sy is another port's"));
}

}  // namespace
}  // namespace ember::vmm
