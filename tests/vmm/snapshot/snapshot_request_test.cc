#include "vmm/snapshot/snapshot_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "vmm/config_json.h"
#include "vmm/snapshot/snapshot_json.h"

namespace ember::vmm {
namespace {

using ::testing::HasSubstr;

std::string Fault(const Status& status) { return status ? "" : status.error().message(); }

Result<SnapshotLoad> ReadLoad(std::string_view text) { return ReadSnapshotLoad(*ParseJson(text)); }
std::string LoadFault(std::string_view text) {
  const Result<SnapshotLoad> load = ReadLoad(text);
  return load ? "" : load.error().message();
}

SnapshotLoad Load() { return {.snapshot_path = "s", .memory = {.backend_path = "m"}}; }

TEST(SnapshotRequestTest, ACreationIsFullUnlessItSaysOtherwise) {
  const auto creation =
      ReadSnapshotCreation(*ParseJson(R"({"snapshot_path":"s","mem_file_path":"m"})"));
  ASSERT_TRUE(creation);
  EXPECT_EQ(*creation, (SnapshotCreation{.snapshot_path = "s", .mem_file_path = "m"}));
  EXPECT_EQ(Fault(Validate(*creation)), "");
}

TEST(SnapshotRequestTest, ACreationNeedsTwoNames) {
  EXPECT_EQ(Fault(Validate(SnapshotCreation{.mem_file_path = "m"})), "snapshot_path is empty");
  EXPECT_EQ(Fault(Validate(SnapshotCreation{.snapshot_path = "s"})), "mem_file_path is empty");
  EXPECT_EQ(Fault(Validate(SnapshotCreation{.snapshot_path = "s", .mem_file_path = "s"})),
            "snapshot_path and mem_file_path are both s");
}

TEST(SnapshotRequestTest, HugePagesOfAFixedSizeNeedAPageFaultHandler) {
  SnapshotLoad load = Load();
  load.huge_pages = HugePages::k2M;
  EXPECT_EQ(Fault(Validate(load)), "huge_pages 2M needs backend_type Uffd");
  load.memory.backend_type = MemoryBackendType::kUffd;
  EXPECT_EQ(Fault(Validate(load)), "");
  load.memory.backend_path = "";
  EXPECT_EQ(Fault(Validate(load)), "backend_path is empty");
}

TEST(SnapshotRequestTest, AWorkingSetIsRecordedOrUsedOfAFile) {
  SnapshotLoad load = Load();
  load.memory.record_working_set = true;
  EXPECT_EQ(Fault(Validate(load)), "");
  load.memory.working_set_path = "w";
  EXPECT_EQ(Fault(Validate(load)), "record_working_set and working_set_path exclude each other");
  load.memory.record_working_set = false;
  EXPECT_EQ(Fault(Validate(load)), "");
  load.memory.backend_type = MemoryBackendType::kUffd;
  EXPECT_EQ(Fault(Validate(load)), "working sets are for backend_type File");
  load.memory = {.backend_path = "m", .working_set_path = ""};
  EXPECT_EQ(Fault(Validate(load)), "working_set_path is empty");
}

TEST(SnapshotRequestTest, WhatIsSaidOfAWorkingSetIsRead) {
  const auto load = ReadLoad(R"({"snapshot_path":"s","mem_backend":{"backend_type":"File",
      "backend_path":"m","record_working_set":true,"working_set_path":"w"}})");
  ASSERT_TRUE(load) << load.error().message();
  EXPECT_TRUE(load->memory.record_working_set);
  EXPECT_EQ(load->memory.working_set_path, "w");
  const auto file = ReadWorkingSetFile(*ParseJson(R"({"working_set_path":"w"})"));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->working_set_path, "w");
  EXPECT_EQ(Fault(Validate(*file)), "");
  EXPECT_EQ(Fault(Validate(WorkingSetFile{})), "working_set_path is empty");
}

TEST(SnapshotRequestTest, EveryFieldOfALoadIsRead) {
  const auto load = ReadLoad(R"({"snapshot_path":"s",
      "mem_backend":{"backend_type":"Uffd","backend_path":"m"},"track_dirty_pages":true,
      "resume_vm":true,"network_overrides":[{"iface_id":"e","host_dev_name":"t","more":1}],
      "vsock_override":{"uds_path":"v","more":1},"clock_realtime":true,"huge_pages":"2M"})");
  ASSERT_TRUE(load) << load.error().message();
  EXPECT_EQ(*load,
            (SnapshotLoad{.snapshot_path = "s",
                          .memory = {.backend_type = MemoryBackendType::kUffd, .backend_path = "m"},
                          .track_dirty_pages = true,
                          .resume_vm = true,
                          .overrides = {.network = {{.iface_id = "e", .host_dev_name = "t"}},
                                        .vsock = VsockOverride{.uds_path = "v"}},
                          .clock_realtime = true,
                          .huge_pages = HugePages::k2M}));
}

TEST(SnapshotRequestTest, OlderNamesMeanTheSame) {
  const auto load =
      ReadLoad(R"({"snapshot_path":"s","mem_file_path":"m","enable_diff_snapshots":true})");
  ASSERT_TRUE(load);
  SnapshotLoad same = Load();
  same.track_dirty_pages = true;
  EXPECT_EQ(*load, same);
}

TEST(SnapshotRequestTest, ALoadHasOneMemory) {
  EXPECT_EQ(LoadFault(R"({"snapshot_path":"s"})"),
            "missing field: either `mem_backend` or `mem_file_path` is required");
  EXPECT_EQ(LoadFault(R"({"snapshot_path":"s","mem_file_path":"m",
                    "mem_backend":{"backend_type":"File","backend_path":"m"}})"),
            "too many fields: either `mem_backend` or `mem_file_path` exclusively is required");
}

VmConfig Saved() {
  VmConfig config;
  config.machine = {.vcpu_count = 2, .smt = true, .cpu_template = CpuTemplate::kT2};
  config.boot_source = BootSource{.kernel_image_path = "kernel"};
  config.network_interfaces = {{.iface_id = "a", .host_dev_name = "tap0"},
                               {.iface_id = "b", .socket_path = "peer"}};
  config.vsock = VsockConfig{.guest_cid = 3, .uds_path = "v"};
  return config;
}

TEST(SnapshotRequestTest, OverridesTakeThePlaceOfWhatWasSaved) {
  VmConfig config = Saved();
  SnapshotLoad load = Load();
  load.track_dirty_pages = true;
  load.overrides.vsock = VsockOverride{.uds_path = "w"};
  ASSERT_EQ(Fault(Override(config, load)), "");
  EXPECT_EQ(config.vsock->uds_path, "w");
  EXPECT_TRUE(config.machine.track_dirty_pages);
  EXPECT_EQ(config.machine.vcpu_count, 2U);
}

TEST(SnapshotRequestTest, HowTheGuestWasBootedIsForgotten) {
  VmConfig config = Saved();
  ASSERT_EQ(Fault(Override(config, Load())), "");
  EXPECT_FALSE(config.boot_source);
  EXPECT_FALSE(config.machine.smt);
  EXPECT_EQ(config.machine.cpu_template, CpuTemplate::kNone);
}

TEST(SavedConfigTest, IsReadAsItWasWrittenAndNeedsNoBootSource) {
  VmConfig config = Saved();
  ASSERT_TRUE(Override(config, Load()));
  config.serial = {};
  const Result<VmConfig> read = ParseSavedConfig(ToJson(config));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(*read, config);
}

TEST(SavedConfigTest, IsCheckedLikeAnyOther) {
  const auto fault = [](std::string_view text) {
    const Result<VmConfig> read = ParseSavedConfig(text);
    return read ? "" : read.error().message();
  };
  EXPECT_EQ(fault("[]"), "invalid type: sequence, expected a map");
  EXPECT_THAT(fault(R"({"drives":[],"machine-config":{"vcpu_count":33,"mem_size_mib":1}})"),
              HasSubstr("vcpu_count 33 exceeds the limit"));
}

}  // namespace
}  // namespace ember::vmm
