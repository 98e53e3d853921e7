#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/concat.h"
#include "vmm/config_json.h"

namespace ember::vmm {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string ErrorOf(std::string_view text) {
  const Result<VmConfig> config = ParseConfigFile(text);
  return config ? std::string() : config.error().message();
}

// A configuration file with these members beside the required ones.
std::string FileWith(std::string_view members) {
  return Concat(R"({"boot-source":{"kernel_image_path":"/k"},"drives":[])",
                members.empty() ? "" : ",", members, "}");
}

TEST(ConfigFileTest, ASmallFileHasDefaults) {
  const Result<VmConfig> config = ParseConfigFile(FileWith(""));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(*config, (VmConfig{.boot_source = BootSource{.kernel_image_path = "/k"}}));
}

TEST(ConfigFileTest, AFullFileIsReadWhole) {
  const Result<VmConfig> config = ParseConfigFile(R"({
    "boot-source": {"kernel_image_path": "/k", "initrd_path": "/i", "boot_args": "quiet",
                    "boot_protocol": "Linux64", "hardware_description": "DeviceTree"},
    "drives": [
      {"drive_id": "data", "is_root_device": false, "path_on_host": "/data", "rate_limiter": null},
      {"drive_id": "rootfs", "is_root_device": true, "path_on_host": "/root",
       "partuuid": "0eaa91a0-01", "cache_type": "Writeback", "is_read_only": true,
       "io_engine": "Sync"}],
    "machine-config": {"vcpu_count": 4, "mem_size_mib": 1024, "smt": true,
                       "track_dirty_pages": true, "huge_pages": "2M"}})");
  ASSERT_TRUE(config) << config.error().message();
  const VmConfig expected{
      .machine = {.vcpu_count = 4,
                  .mem_size_mib = 1024,
                  .smt = true,
                  .track_dirty_pages = true,
                  .huge_pages = HugePages::k2M},
      .boot_source = BootSource{.kernel_image_path = "/k",
                                .initrd_path = "/i",
                                .boot_args = "quiet",
                                .boot_protocol = BootProtocolChoice::kLinux64,
                                .hardware_description = firmware::HardwareDescription::kDeviceTree},
      .drives = {{.drive_id = "rootfs",
                  .path_on_host = "/root",
                  .is_root_device = true,
                  .partuuid = "0eaa91a0-01",
                  .is_read_only = true,
                  .cache_type = CacheType::kWriteback},
                 {.drive_id = "data", .path_on_host = "/data"}}};
  EXPECT_EQ(*config, expected);
}

TEST(ConfigFileTest, BootSourceAndDrivesAreRequired) {
  EXPECT_EQ(ErrorOf(R"({"drives":[]})"), "missing field `boot-source`");
  EXPECT_EQ(ErrorOf(R"({"boot-source":null,"drives":[]})"), "missing field `boot-source`");
  EXPECT_EQ(ErrorOf(R"({"boot-source":{"kernel_image_path":"/k"}})"), "missing field `drives`");
  EXPECT_EQ(ErrorOf(R"({"boot-source":{"kernel_image_path":"/k"},"drives":null})"),
            "drives: invalid type: null, expected a sequence");
  EXPECT_EQ(ErrorOf(R"({"boot-source":{"kernel_image_path":"/k"},"drives":{}})"),
            "drives: invalid type: map, expected a sequence");
}

TEST(ConfigFileTest, WhatIsNoObjectIsAnError) {
  EXPECT_EQ(ErrorOf("[]"), "invalid type: sequence, expected a map");
  EXPECT_EQ(ErrorOf("null"), "invalid type: null, expected a map");
  EXPECT_THAT(ErrorOf(""), StartsWith("parse error"));
  EXPECT_THAT(ErrorOf(FileWith("") + "x"), StartsWith("parse error"));
}

TEST(ConfigFileTest, KeysThatTheContractDoesNotKnowArePassedOver) {
  EXPECT_EQ(ErrorOf(FileWith(R"("comment":"for the lab","x":{"y":[1]})")), "");
  // The contract has no section for it in a file.
  const Result<VmConfig> config = ParseConfigFile(FileWith(R"("serial":{"serial_out_path":"/c"})"));
  ASSERT_TRUE(config);
  EXPECT_EQ(config->serial, SerialConfig{});
}

TEST(ConfigFileTest, ASectionTwiceIsAnError) {
  EXPECT_EQ(ErrorOf(FileWith(R"("drives":[])")), "duplicate field `drives`");
  EXPECT_EQ(ErrorOf(FileWith(R"("x":1,"x":1)")), "duplicate field `x`");
}

TEST(ConfigFileTest, LogAndMetricsOfTheProcessMayBeThere) {
  const Result<VmConfig> config = ParseConfigFile(
      FileWith(R"("logger":{"log_path":"/log","level":"dEBUG"},)"
               R"("metrics":{"metrics_path":"/m","properties":{"a":"1"},"unknown":0})"));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->logger, (LoggerConfig{.level = LogLevel::kDebug, .log_path = "/log"}));
  EXPECT_EQ(config->metrics, (MetricsConfig{.metrics_path = "/m", .properties = {{"a", "1"}}}));
  for (const std::string_view name : {"logger", "metrics"}) {
    EXPECT_EQ(ErrorOf(FileWith(Concat("\"", name, "\":null"))), "");
  }
  EXPECT_EQ(ErrorOf(FileWith(R"("logger":{"level":"Loud"})")),
            "logger: level: log level \"Loud\" is none of Off, Error, Warning, Info, Debug and "
            "Trace");
  EXPECT_THAT(ErrorOf(FileWith(R"("logger":{"path":"/log"})")),
              HasSubstr("logger: unknown field `path`"));
  EXPECT_EQ(ErrorOf(FileWith(R"("metrics":{})")), "metrics: missing field `metrics_path`");
  EXPECT_EQ(ErrorOf(FileWith(R"("metrics":{"metrics_path":"/m","properties":{"a":1}})")),
            "metrics: properties: a: invalid type: integer `1`, expected a string");
  EXPECT_EQ(ErrorOf(FileWith(R"("metrics":{"metrics_path":"/m","properties":[]})")),
            "metrics: properties: invalid type: sequence, expected a map");
}

TEST(ConfigFileTest, PersistentMemoryIsReadInItsOrder) {
  const Result<VmConfig> config = ParseConfigFile(
      FileWith(R"("pmem":[{"id":"b","path_on_host":"/b"},)"
               R"({"id":"a","path_on_host":"/a","root_device":true,"read_only":true,)"
               R"("rate_limiter":{"ops":{"size":1,"refill_time":2}}}])"));
  ASSERT_TRUE(config) << config.error().message();
  const std::vector<PmemConfig> expected = {
      {.id = "b", .path_on_host = "/b"},
      {.id = "a",
       .path_on_host = "/a",
       .root_device = true,
       .read_only = true,
       .rate_limiter = {.ops = TokenBucketConfig{.size = 1, .refill_time = 2}}}};
  EXPECT_EQ(config->pmem, expected);
  EXPECT_THAT(ToJson(*config),
              HasSubstr(R"("pmem":[{"id":"b","path_on_host":"/b","root_device":false,)"
                        R"("read_only":false,"rate_limiter":null},{"id":"a",)"));
}

TEST(ConfigFileTest, ErrorsInPersistentMemoryNameItsPlace) {
  EXPECT_EQ(ErrorOf(FileWith(R"("pmem":{})")), "pmem: invalid type: map, expected a sequence");
  EXPECT_EQ(ErrorOf(FileWith(R"("pmem":[{"id":"a"}])")), "pmem[0]: missing field `path_on_host`");
  EXPECT_THAT(ErrorOf(FileWith(R"("pmem":[{"id":"a-","path_on_host":"/a"}])")),
              StartsWith("pmem[0]: id: "));
  EXPECT_EQ(ErrorOf(FileWith(R"("pmem":[{"id":"a","path_on_host":"/a","root_device":true},)"
                             R"({"id":"b","path_on_host":"/b","root_device":true}])")),
            "pmem[1]: root_device: pmem b cannot be the root device: a is");
  EXPECT_EQ(ErrorOf(R"({"boot-source":{"kernel_image_path":"/k"},)"
                    R"("drives":[{"drive_id":"d","is_root_device":true,"path_on_host":"/d"}],)"
                    R"("pmem":[{"id":"a","path_on_host":"/a","root_device":true}]})"),
            "drive d and pmem a cannot both be the root device");
}

TEST(ConfigFileTest, ABalloonIsReadAndShown) {
  const Result<VmConfig> config = ParseConfigFile(FileWith(
      R"("balloon":{"amount_mib":128,"deflate_on_oom":true,"stats_polling_interval_s":5})"));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(
      config->balloon,
      (BalloonConfig{.amount_mib = 128, .deflate_on_oom = true, .stats_polling_interval_s = 5}));
  EXPECT_THAT(ToJson(*config),
              StartsWith(R"({"balloon":{"amount_mib":128,"deflate_on_oom":true,)"
                         R"("stats_polling_interval_s":5,"free_page_hinting":false,)"
                         R"("free_page_reporting":false},)"));
  EXPECT_EQ(ErrorOf(FileWith(R"("balloon":null)")), "");
  EXPECT_EQ(ErrorOf(FileWith(R"("balloon":{"amount_mib":1})")),
            "balloon: missing field `deflate_on_oom`");
}

TEST(ConfigFileTest, ABalloonIsNoLargerThanMemory) {
  EXPECT_EQ(ErrorOf(FileWith(R"("balloon":{"amount_mib":129,"deflate_on_oom":true})")),
            "balloon: Amount of pages requested is too large: amount_mib 129 exceeds mem_size_mib "
            "128");
  EXPECT_EQ(ErrorOf(FileWith(R"("balloon":{"amount_mib":129,"deflate_on_oom":true},)"
                             R"("machine-config":{"vcpu_count":1,"mem_size_mib":129})")),
            "");
}

TEST(ConfigFileTest, AVsockIsReadAndShown) {
  const Result<VmConfig> config = ParseConfigFile(
      FileWith(R"("vsock":{"guest_cid":4294967295,"uds_path":"/v","vsock_id":"old"})"));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->vsock, (VsockConfig{.guest_cid = 4294967295, .uds_path = "/v"}));
  EXPECT_THAT(ToJson(*config), HasSubstr(R"("vsock":{"guest_cid":4294967295,"uds_path":"/v"})"));
  EXPECT_EQ(ErrorOf(FileWith(R"("vsock":null)")), "");
  EXPECT_EQ(ErrorOf(FileWith(R"("vsock":{"guest_cid":3})")), "vsock: missing field `uds_path`");
  EXPECT_EQ(ErrorOf(FileWith(R"("vsock":{"guest_cid":2,"uds_path":"/v"})")),
            "vsock: guest_cid 2 is below the least allowed, 3");
}

TEST(ConfigFileTest, ErrorsInASectionNameTheSectionAndTheField) {
  EXPECT_EQ(ErrorOf(R"({"boot-source":{},"drives":[]})"),
            "boot-source: missing field `kernel_image_path`");
  EXPECT_THAT(ErrorOf(R"({"boot-source":{"kernel_image_path":""},"drives":[]})"),
              StartsWith("boot-source: kernel_image_path"));
  EXPECT_EQ(ErrorOf(R"({"boot-source":[],"drives":[]})"),
            "boot-source: invalid type: sequence, expected a map");
  EXPECT_THAT(ErrorOf(FileWith(R"("machine-config":{"vcpu_count":1,"mem_size_mib":128,"x":1})")),
              StartsWith("machine-config: unknown field `x`"));
  EXPECT_EQ(ErrorOf(FileWith(R"("machine-config":{"vcpu_count":33,"mem_size_mib":128})")),
            "machine-config: vcpu_count 33 exceeds the limit 32");
  EXPECT_EQ(ErrorOf(FileWith(R"("machine-config":{"vcpu_count":1})")),
            "machine-config: missing field `mem_size_mib`");
}

TEST(ConfigFileTest, ErrorsInADriveNameItsPlace) {
  constexpr std::string_view kRoot =
      R"({"drive_id":"ID","is_root_device":true,"path_on_host":"/r"})";
  const auto file = [](std::string_view drives) {
    return Concat(R"({"boot-source":{"kernel_image_path":"/k"},"drives":[)", drives, "]}");
  };
  EXPECT_EQ(ErrorOf(file(Concat(kRoot, ",1"))),
            "drives[1]: invalid type: integer `1`, expected a map");
  EXPECT_EQ(ErrorOf(file(R"({"drive_id":"a","is_root_device":true})")),
            "drives[0]: missing field `path_on_host`");
  EXPECT_THAT(ErrorOf(file(R"({"drive_id":"a-b","is_root_device":true,"path_on_host":"/r"})")),
              StartsWith("drives[0]: drive_id"));
  std::string other(kRoot);
  other.replace(other.find("ID"), 2, "other");
  EXPECT_THAT(ErrorOf(file(Concat(kRoot, ",", other))), StartsWith("drives[1]: is_root_device"));
}

TEST(ConfigFileTest, AnEntropyDeviceIsThereWhereItsSectionIs) {
  const auto read = [](std::string_view section) {
    return ParseConfigFile(FileWith(Concat("\"entropy\":", section)))->entropy;
  };
  EXPECT_EQ(read("null"), std::nullopt);
  EXPECT_EQ(read("{}"), EntropyConfig{});
  EXPECT_EQ(
      read(R"({"rate_limiter":{"ops":{"size":3,"refill_time":100}}})"),
      (EntropyConfig{.rate_limiter = {.ops = TokenBucketConfig{.size = 3, .refill_time = 100}}}));
  EXPECT_EQ(ErrorOf(FileWith(R"("entropy":{"rate_limiter":{"ops":{"size":3}}})")),
            "entropy: rate_limiter: ops: missing field `refill_time`");
}

TEST(ConfigFileTest, ADriveWithASocketExcludesMemoryThatComesLater) {
  const auto file = [](std::string_view more) {
    return Concat(R"({"boot-source":{"kernel_image_path":"/k"},)",
                  R"("drives":[{"drive_id":"a","is_root_device":true,"socket":"/s"}])", more, "}");
  };
  EXPECT_TRUE(ParseConfigFile(file("")));
  EXPECT_THAT(ErrorOf(file(R"(,"memory-hotplug":{"total_size_mib":128})")),
              StartsWith("drive a has a socket"));
}

TEST(ConfigFileTest, AConsoleIsThereWhereItsSectionIs) {
  const Result<VmConfig> config = ParseConfigFile(
      FileWith(R"("console":{"ports":[{"id":"con","socket_path":"/s","is_console":true}]})"));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->console,
            (ConsoleConfig{.ports = {{.id = "con", .socket_path = "/s", .is_console = true}}}));
  EXPECT_EQ(ErrorOf(FileWith(R"("console":{"ports":[]})")), "console: ports is empty");
}

TEST(ConfigFileTest, MemoryComesAndGoesWhereItsSectionSaysSo) {
  const Result<VmConfig> config =
      ParseConfigFile(FileWith(R"("memory-hotplug":{"total_size_mib":1024})"));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->memory_hotplug, (MemoryHotplugConfig{.total_size_mib = 1024}));
  EXPECT_EQ(ErrorOf(FileWith(R"("memory-hotplug":null)")), "");
  EXPECT_EQ(ErrorOf(FileWith(R"("memory-hotplug":{"total_size_mib":64})")),
            "memory-hotplug: Total size must not be lower than slot size (128 MiB): total_size_mib "
            "is 64");
  EXPECT_EQ(ErrorOf(FileWith(R"("memory-hotplug":{})")),
            "memory-hotplug: missing field `total_size_mib`");
}

// What GET /vm/config answers is a configuration file.
TEST(ConfigFileTest, AConfigurationThatIsShownIsReadBackTheSame) {
  std::vector<VmConfig> configs = {
      {.boot_source = BootSource{.kernel_image_path = "/k"},
       .pmem = {{.id = "p", .path_on_host = "/p", .read_only = true, .thread = ThreadChoice::kOwn},
                {.id = "q",
                 .path_on_host = "/q",
                 .rate_limiter = {.bandwidth = TokenBucketConfig{.size = 5, .refill_time = 6}}}}},
      {.boot_source = BootSource{.kernel_image_path = "/k"}},
      {.boot_source = BootSource{.kernel_image_path = "/k"},
       .memory_hotplug = MemoryHotplugConfig{.total_size_mib = 4096,
                                             .block_size_mib = 4,
                                             .slot_size_mib = 256,
                                             .thread = ThreadChoice::kOwn}},
      {.boot_source = BootSource{.kernel_image_path = "/k"},
       .balloon = BalloonConfig{.amount_mib = 1,
                                .deflate_on_oom = true,
                                .stats_polling_interval_s = 65535,
                                .free_page_hinting = true,
                                .free_page_reporting = true,
                                .thread = ThreadChoice::kOwn}},
      {.machine = {.vcpu_count = 32, .mem_size_mib = kMaxMemoryMib},
       .boot_source =
           BootSource{.kernel_image_path = "/a \"quoted\" \\ name\n\xc3\xa9", .boot_args = ""}}};
  for (const CpuTemplate cpu_template :
       {CpuTemplate::kNone, CpuTemplate::kC3, CpuTemplate::kT2, CpuTemplate::kT2S,
        CpuTemplate::kT2CL, CpuTemplate::kT2A, CpuTemplate::kV1N1}) {
    configs.push_back(configs[0]);
    configs.back().machine.cpu_template = cpu_template;
  }
  for (const HugePages pages : {HugePages::kNone, HugePages::kTransparent, HugePages::k2M}) {
    configs.push_back(configs[0]);
    configs.back().machine.huge_pages = pages;
    configs.back().machine.smt = true;
    configs.back().machine.track_dirty_pages = true;
  }
  using firmware::HardwareDescription;
  for (const HardwareDescription description :
       {HardwareDescription::kAcpi, HardwareDescription::kMpTable,
        HardwareDescription::kDeviceTree}) {
    configs.push_back(configs[0]);
    configs.back().boot_source->hardware_description = description;
    configs.back().boot_source->boot_protocol = BootProtocolChoice::kLinux64;
    configs.back().boot_source->initrd_path = "/i";
  }
  configs.push_back(configs[0]);
  configs.back().boot_source->boot_protocol = BootProtocolChoice::kPvh;
  configs.back().drives = {{.drive_id = "r",
                            .path_on_host = "/r",
                            .is_root_device = true,
                            .partuuid = "0eaa91a0-01",
                            .cache_type = CacheType::kWriteback},
                           {.drive_id = "b", .path_on_host = "/b", .is_read_only = true},
                           {.drive_id = "a", .path_on_host = "/a"}};
  configs.push_back(configs[0]);
  configs.back().network_interfaces = {
      {.iface_id = "eth0",
       .host_dev_name = "tap0",
       .guest_mac = MacAddress{{6, 0, 0xc0, 0xa8, 0, 1}},
       .mtu = 1400,
       .rx_rate_limiter = {.bandwidth = TokenBucketConfig{.size = 1, .refill_time = 2}},
       .tx_rate_limiter = {.ops = TokenBucketConfig{.size = 3, .refill_time = 4}},
       .queue_pairs = 4,
       .thread = ThreadChoice::kOwn},
      {.iface_id = "eth1", .tap_fd = 5},
      {.iface_id = "eth2", .socket_path = "/passt"}};
  configs.back().lifecycle = LifecycleConfig{.on_panic = EndPolicy::kPause, .resets_per_minute = 3};
  configs.back().entropy = EntropyConfig{};
  configs.push_back(configs[0]);
  configs.back().entropy =
      EntropyConfig{.rate_limiter = {.bandwidth = TokenBucketConfig{.size = 9, .refill_time = 1}},
                    .thread = ThreadChoice::kOwn};
  configs.push_back(configs[0]);
  configs.back().console = ConsoleConfig{
      .ports = {{.id = "con", .socket_path = "/s", .is_console = true},
                {.id = "agent.0", .socket_path = "/a", .log_bytes = 0, .output_path = "/out"}},
      .resize_order = ConsoleResizeOrder::kRowsFirst,
      .thread = ThreadChoice::kOwn};
  configs.back().vsock =
      VsockConfig{.guest_cid = 3, .uds_path = "/v.sock", .thread = ThreadChoice::kOwn};
  for (const VmConfig& config : configs) {
    const std::string text = ToJson(config);
    SCOPED_TRACE(text);
    const Result<VmConfig> again = ParseConfigFile(text);
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(*again, config);
    EXPECT_EQ(ToJson(*again), text);
  }
}

TEST(ConfigFileTest, AConfigurationIsShownWithEverySectionOfTheContract) {
  const std::string text = ToJson(VmConfig{});
  const Result<JsonValue> json = ParseJson(text);
  ASSERT_TRUE(json) << json.error().message();
  for (const std::string_view name :
       {"balloon", "drives", "boot-source", "cpu-config", "logger", "machine-config", "metrics",
        "mmds-config", "network-interfaces", "vsock", "entropy", "pmem", "memory-hotplug"}) {
    EXPECT_NE(json->Find(name), nullptr) << name;
  }
  EXPECT_EQ(std::get<JsonValue::Object>(json->value).size(), 13U);
}

}  // namespace
}  // namespace ember::vmm
