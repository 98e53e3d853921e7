#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/concat.h"
#include "tests/api/api_fixture.h"

// Each endpoint before and after the start, over the socket. What each field may hold is tested in
// tests/vmm/config_json_test.cc.
namespace ember::api {
namespace {

using testing::HasSubstr;

constexpr std::string_view kDefaultMachine =
    R"({"vcpu_count":1,"mem_size_mib":128,"smt":false,"track_dirty_pages":false,"huge_pages":"None"})";
constexpr std::string_view kOnlyBefore =
    R"({"fault_message":"The requested operation is not supported after starting the microVM."})";
constexpr std::string_view kOnlyAfter =
    R"({"fault_message":"The requested operation is not supported before starting the microVM."})";
constexpr std::string_view kEmpty204 =
    "HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n";

class EndpointTest : public ServedApiTest {
 protected:
  void ExpectFault(const Reply& reply, std::string_view body) {
    EXPECT_EQ(reply.status, 400);
    EXPECT_EQ(reply.body, body);
  }
};

TEST_F(EndpointTest, InstanceIsNotStartedAtFirst) {
  const Reply reply = Call("GET", "/");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body,
            Concat(R"({"id":"test-vm","state":"Not started","vmm_version":")", EMBER_API_VERSION,
                   R"(","app_name":"Ember","ember_version":")", EMBER_VERSION, R"("})"));
}

TEST_F(EndpointTest, VersionIsTheContracts) {
  EXPECT_EQ(Call("GET", "/version").body,
            Concat(R"({"firecracker_version":")", EMBER_API_VERSION, R"("})"));
}

TEST_F(EndpointTest, GetAnswersWithTheContractsHeadByteForByte) {
  const Reply reply = Call("GET", "/machine-config");
  EXPECT_EQ(reply.head, Concat("HTTP/1.1 200 \r\nServer: Firecracker API\r\n"
                               "Connection: keep-alive\r\nContent-Type: application/json\r\n"
                               "Content-Length: ",
                               kDefaultMachine.size(), "\r\n\r\n"));
  EXPECT_EQ(reply.body, kDefaultMachine);
}

TEST_F(EndpointTest, PutAnswersWithTheContractsHeadByteForByte) {
  const Reply reply = Call("PUT", "/machine-config", R"({"vcpu_count":2,"mem_size_mib":256})");
  EXPECT_EQ(reply.head, kEmpty204);
  EXPECT_EQ(reply.body, "");
}

TEST_F(EndpointTest, FaultAnswersWithTheContractsHeadByteForByte) {
  const Reply reply = Call("GET", "/nothing");
  EXPECT_EQ(reply.head,
            Concat("HTTP/1.1 400 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n"
                   "Content-Type: application/json\r\nContent-Length: ",
                   reply.body.size(), "\r\n\r\n"));
  EXPECT_EQ(reply.body, R"({"fault_message":"Invalid request method and/or path: GET /nothing."})");
}

TEST_F(EndpointTest, PutMachineConfigSetsWhatItNamesAndResetsTheRest) {
  Call("PUT", "/machine-config", R"({"vcpu_count":4,"mem_size_mib":512,"smt":true})");
  Call("PUT", "/machine-config", R"({"vcpu_count":2,"mem_size_mib":256,"huge_pages":"2M"})");
  EXPECT_EQ(Call("GET", "/machine-config").body,
            R"({"vcpu_count":2,"mem_size_mib":256,"smt":false,"track_dirty_pages":false,)"
            R"("huge_pages":"2M"})");
}

TEST_F(EndpointTest, PatchMachineConfigChangesOnlyWhatItNames) {
  Call("PUT", "/machine-config", R"({"vcpu_count":4,"mem_size_mib":512,"smt":true})");
  EXPECT_EQ(Call("PATCH", "/machine-config", R"({"mem_size_mib":1024})").head, kEmpty204);
  EXPECT_EQ(Call("GET", "/machine-config").body,
            R"({"vcpu_count":4,"mem_size_mib":1024,"smt":true,"track_dirty_pages":false,)"
            R"("huge_pages":"None"})");
}

TEST_F(EndpointTest, PatchMachineConfigThatBreaksARuleChangesNothing) {
  ExpectFault(Call("PATCH", "/machine-config", R"({"vcpu_count":33,"mem_size_mib":64})"),
              R"({"fault_message":"vcpu_count 33 exceeds the limit 32"})");
  EXPECT_EQ(Call("GET", "/machine-config").body, kDefaultMachine);
}

TEST_F(EndpointTest, PatchMachineConfigWithoutAFieldIsEmpty) {
  ExpectFault(Call("PATCH", "/machine-config", "{}"),
              R"({"fault_message":"Empty PATCH request."})");
}

TEST_F(EndpointTest, DeprecatedTemplateSucceedsWithADeprecationHeader) {
  const Reply reply =
      Call("PUT", "/machine-config", R"({"vcpu_count":1,"mem_size_mib":128,"cpu_template":"T2"})");
  EXPECT_EQ(reply.head,
            "HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n"
            "Deprecation: true\r\n\r\n");
  EXPECT_THAT(Call("GET", "/machine-config").body, HasSubstr(R"("cpu_template":"T2")"));
  EXPECT_THAT(Call("PATCH", "/machine-config", R"({"cpu_template":"None"})").head,
              HasSubstr("Deprecation: true\r\n"));
  EXPECT_EQ(Call("GET", "/machine-config").body, kDefaultMachine);
}

TEST_F(EndpointTest, CpuConfigIsShownAndGivenToTheMachine) {
  constexpr std::string_view kCpu =
      R"({"kvm_capabilities":["!56"],"cpuid_modifiers":[{"leaf":"0x1","subleaf":"0x0","flags":0,)"
      R"("modifiers":[{"register":"ecx","bitmap":"0bxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx10"}]}],)"
      R"("msr_modifiers":[]})";
  EXPECT_EQ(Call("PUT", "/cpu-config", kCpu).status, 204);
  EXPECT_THAT(Call("GET", "/vm/config").body, HasSubstr(Concat(R"("cpu-config":)", kCpu)));
  StartMachine();
  ASSERT_TRUE(room_.started_config().cpu);
  EXPECT_EQ(room_.started_config().cpu->modifiers.cpuid[0].registers[0].bits.mask, 3U);
  ExpectFault(Call("PUT", "/cpu-config", "{}"), kOnlyBefore);
}

TEST_F(EndpointTest, OfTemplateAndCpuConfigTheLaterOneCounts) {
  constexpr std::string_view kShown = R"("cpu-config":{"kvm_capabilities":[)";
  Call("PATCH", "/machine-config", R"({"cpu_template":"T2"})");
  EXPECT_EQ(Call("PUT", "/cpu-config", "{}").status, 204);
  EXPECT_EQ(Call("GET", "/machine-config").body, kDefaultMachine);
  Call("PUT", "/machine-config", R"({"vcpu_count":1,"mem_size_mib":128})");
  EXPECT_THAT(Call("GET", "/vm/config").body, HasSubstr(kShown));
  Call("PUT", "/machine-config", R"({"vcpu_count":1,"mem_size_mib":128,"cpu_template":"None"})");
  EXPECT_THAT(Call("GET", "/vm/config").body, HasSubstr(R"("cpu-config":null)"));
  Call("PUT", "/cpu-config", "{}");
  Call("PATCH", "/machine-config", R"({"cpu_template":"T2A"})");
  EXPECT_THAT(Call("GET", "/vm/config").body, HasSubstr(R"("cpu-config":null)"));
}

TEST_F(EndpointTest, CpuConfigThatIsWrongLeavesTheOneBefore) {
  Call("PUT", "/cpu-config", R"({"kvm_capabilities":["5"]})");
  const Reply reply = Call("PUT", "/cpu-config", R"({"kvm_capabilities":["!"]})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr("kvm_capabilities[0]"));
  EXPECT_THAT(Call("GET", "/vm/config").body, HasSubstr(R"("kvm_capabilities":["5"])"));
}

TEST_F(EndpointTest, MachineConfigCannotChangeAfterTheStart) {
  StartMachine();
  ExpectFault(Call("PUT", "/machine-config", R"({"vcpu_count":2,"mem_size_mib":256})"),
              kOnlyBefore);
  ExpectFault(Call("PATCH", "/machine-config", R"({"vcpu_count":2})"), kOnlyBefore);
  EXPECT_EQ(Call("GET", "/machine-config").body, kDefaultMachine);
}

TEST_F(EndpointTest, BootSourceNamesAKernelThatCannotBeOpened) {
  const Reply reply = Call("PUT", "/boot-source", R"({"kernel_image_path":"/nonexistent/kernel"})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr("kernel_image_path"));
  EXPECT_THAT(reply.body, HasSubstr("/nonexistent/kernel: No such file or directory"));
}

TEST_F(EndpointTest, BootSourceCannotBeAFolder) {
  const Reply reply = Call("PUT", "/boot-source",
                           Concat(R"({"kernel_image_path":")", directory_.Path(""), R"("})"));
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr("neither a regular file nor a block device"));
}

TEST_F(EndpointTest, BootSourceThatFailsLeavesTheOneBefore) {
  Configure();
  const std::string before = Call("GET", "/vm/config").body;
  const Reply reply = Call("PUT", "/boot-source",
                           Concat(R"({"kernel_image_path":")", directory_.Path("kernel"),
                                  R"(","initrd_path":"/nonexistent/initrd"})"));
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr("initrd_path"));
  EXPECT_EQ(Call("GET", "/vm/config").body, before);
}

TEST_F(EndpointTest, BootSourceCannotChangeAfterTheStart) {
  StartMachine();
  ExpectFault(Call("PUT", "/boot-source", R"({"kernel_image_path":"/vmlinux"})"), kOnlyBefore);
}

TEST_F(EndpointTest, DriveIsShownInTheConfiguration) {
  const std::string disk = directory_.Write("disk", "disk");
  EXPECT_EQ(
      Call("PUT", "/drives/rootfs",
           Concat(R"({"drive_id":"rootfs","is_root_device":true,"path_on_host":")", disk, R"("})"))
          .head,
      kEmpty204);
  EXPECT_THAT(
      Call("GET", "/vm/config").body,
      HasSubstr(Concat(R"("drives":[{"drive_id":"rootfs","partuuid":null,"is_root_device":true,)",
                       R"("cache_type":"Unsafe","is_read_only":false,"path_on_host":")", disk,
                       R"(","rate_limiter":null,"io_engine":"Sync","socket":null}])")));
}

TEST_F(EndpointTest, DriveIdsOfPathAndBodyMustBeTheSame) {
  const std::string disk = directory_.Write("disk", "disk");
  ExpectFault(
      Call("PUT", "/drives/a",
           Concat(R"({"drive_id":"b","is_root_device":true,"path_on_host":")", disk, R"("})")),
      R"({"fault_message":"The id from the path does not match the id from the body! )"
      R"(The path says a, drive_id says b."})");
}

TEST_F(EndpointTest, DriveIdsAreOfLettersDigitsAndUnderscores) {
  constexpr std::string_view kBody =
      R"({"drive_id":"a-b","is_root_device":true,"path_on_host":"/dev/null"})";
  ExpectFault(Call("PUT", "/drives/a-b", kBody),
              R"({"fault_message":"API Resource IDs can only contain alphanumeric characters and )"
              R"(underscores."})");
  ExpectFault(Call("PUT", "/drives/", kBody), R"({"fault_message":"The ID cannot be empty."})");
}

TEST_F(EndpointTest, SecondRootDriveIsRefusedAndChangesNothing) {
  const std::string disk = directory_.Write("disk", "disk");
  const auto body = [&](std::string_view id) {
    return Concat(R"({"drive_id":")", id, R"(","is_root_device":true,"path_on_host":")", disk,
                  R"("})");
  };
  Call("PUT", "/drives/one", body("one"));
  const std::string before = Call("GET", "/vm/config").body;
  const Reply reply = Call("PUT", "/drives/two", body("two"));
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr("is_root_device"));
  EXPECT_EQ(Call("GET", "/vm/config").body, before);
}

TEST_F(EndpointTest, DriveThatCannotBeWrittenMustBeReadOnly) {
  const Reply reply =
      Call("PUT", "/drives/a",
           R"({"drive_id":"a","is_root_device":false,"path_on_host":"/nonexistent"})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr("path_on_host"));
}

TEST_F(EndpointTest, DriveCannotBeAddedAfterTheStart) {
  StartMachine();
  const std::string disk = directory_.Write("disk", "disk");
  ExpectFault(
      Call("PUT", "/drives/a",
           Concat(R"({"drive_id":"a","is_root_device":false,"path_on_host":")", disk, R"("})")),
      kOnlyBefore);
}

TEST_F(EndpointTest, NoDeviceIsUnpluggedWithoutAPciBus) {
  constexpr std::string_view kFolders[] = {"/drives/", "/pmem/", "/network-interfaces/"};
  for (const std::string_view folder : kFolders) {
    ExpectFault(Call("DELETE", Concat(folder, "a")), kOnlyAfter);
    EXPECT_THAT(Call("DELETE", Concat(folder, "a-b")).body, HasSubstr("API Resource IDs can only"));
    EXPECT_THAT(Call("DELETE", folder).body, HasSubstr("The ID cannot be empty."));
  }
  StartMachine();
  for (const std::string_view folder : kFolders) {
    const Reply reply = Call("DELETE", Concat(folder, "a"));
    EXPECT_EQ(reply.status, 400);
    EXPECT_THAT(reply.body, HasSubstr("Devices can be unplugged only from a PCI bus"));
  }
}

TEST_F(EndpointTest, SerialIsForBeforeTheStart) {
  const std::string body = Concat(R"({"serial_out_path":")", directory_.Path("console"), R"("})");
  EXPECT_EQ(Call("PUT", "/serial", body).head, kEmpty204);
  StartMachine();
  EXPECT_EQ(room_.started_config().serial.serial_out_path, directory_.Path("console"));
  ExpectFault(Call("PUT", "/serial", body), kOnlyBefore);
}

TEST_F(EndpointTest, EntropyIsShownInTheConfiguration) {
  EXPECT_EQ(Call("PUT", "/entropy", "{}").head, kEmpty204);
  EXPECT_THAT(Call("GET", "/vm/config").body, HasSubstr(R"("entropy":{"rate_limiter":null})"));
  EXPECT_EQ(
      Call("PUT", "/entropy",
           R"({"rate_limiter":{"bandwidth":{"size":1000,"one_time_burst":5,"refill_time":100}}})")
          .head,
      kEmpty204);
  EXPECT_THAT(Call("GET", "/vm/config").body,
              HasSubstr(R"("entropy":{"rate_limiter":{"bandwidth":{"size":1000,)"
                        R"("one_time_burst":5,"refill_time":100},"ops":null}})"));
}

TEST_F(EndpointTest, EntropyIsForBeforeTheStart) {
  StartMachine();
  ExpectFault(Call("PUT", "/entropy", "{}"), kOnlyBefore);
}

TEST_F(EndpointTest, EntropyThatIsWrongLeavesTheOneBefore) {
  Call("PUT", "/entropy", R"({"thread":"Own"})");
  ExpectFault(Call("PUT", "/entropy", R"({"rate_limiter":{"ops":{"size":1}}})"),
              R"({"fault_message":"An error occurred when deserializing the json body of a )"
              R"(request: rate_limiter: ops: missing field `refill_time`."})");
  EXPECT_THAT(Call("GET", "/vm/config").body,
              HasSubstr(R"("entropy":{"rate_limiter":null,"thread":"Own"})"));
}

TEST_F(EndpointTest, ConsoleIsShownInTheConfigurationOnlyWhereItIs) {
  EXPECT_THAT(Call("GET", "/vm/config").body, testing::Not(HasSubstr("console")));
  EXPECT_EQ(Call("PUT", "/console",
                 R"({"ports":[{"id":"con","socket_path":"/tmp/con","is_console":true}]})")
                .head,
            kEmpty204);
  EXPECT_THAT(Call("GET", "/vm/config").body,
              HasSubstr(R"("console":{"ports":[{"id":"con","socket_path":"/tmp/con",)"
                        R"("is_console":true,"log_bytes":65536,"output_path":null}],)"
                        R"("resize_order":"ColumnsFirst","thread":"Vmm"}})"));
}

TEST_F(EndpointTest, ConsoleThatIsWrongIsRefused) {
  ExpectFault(Call("PUT", "/console", R"({"ports":[]})"), R"({"fault_message":"ports is empty"})");
  ExpectFault(Call("PUT", "/console", R"({"ports":[{"id":"con"}]})"),
              R"({"fault_message":"An error occurred when deserializing the json body of a )"
              R"(request: ports[0]: missing field `socket_path`."})");
}

TEST_F(EndpointTest, ConsoleIsForBeforeTheStart) {
  StartMachine();
  ExpectFault(Call("PUT", "/console", R"({"ports":[{"id":"con","socket_path":"/tmp/con"}]})"),
              kOnlyBefore);
}

TEST_F(EndpointTest, VsockIsForBeforeTheStart) {
  constexpr std::string_view kBody = R"({"guest_cid":42,"uds_path":"/run/v.sock"})";
  EXPECT_EQ(Call("PUT", "/vsock", kBody).head, kEmpty204);
  EXPECT_THAT(Call("GET", "/vm/config").body,
              HasSubstr(R"("vsock":{"guest_cid":42,"uds_path":"/run/v.sock"})"));
  EXPECT_EQ(Call("PUT", "/vsock", R"({"guest_cid":43,"uds_path":"/run/w.sock"})").head, kEmpty204);
  StartMachine();
  EXPECT_EQ(room_.started_config().vsock,
            (vmm::VsockConfig{.guest_cid = 43, .uds_path = "/run/w.sock"}));
  ExpectFault(Call("PUT", "/vsock", kBody), kOnlyBefore);
}

TEST_F(EndpointTest, VsockIdIsDeprecated) {
  constexpr std::string_view kBody = R"({"guest_cid":42,"uds_path":"/v","vsock_id":"v0"})";
  EXPECT_THAT(Call("PUT", "/vsock", kBody).head, HasSubstr("Deprecation: true"));
  EXPECT_EQ(Call("PUT", "/vsock", R"({"guest_cid":42,"uds_path":"/v","vsock_id":null})").head,
            kEmpty204);
}

TEST_F(EndpointTest, VsockThatCannotBeIsRefused) {
  ExpectFault(Call("PUT", "/vsock", R"({"guest_cid":2,"uds_path":"/v"})"),
              R"({"fault_message":"guest_cid 2 is below the least allowed, 3"})");
  EXPECT_THAT(Call("PUT", "/vsock", R"({"guest_cid":3})").body,
              HasSubstr("missing field `uds_path`"));
  EXPECT_THAT(Call("GET", "/vm/config").body, HasSubstr(R"("vsock":null)"));
}

TEST_F(EndpointTest, StartGivesTheMachineItsWholeConfiguration) {
  Call("PUT", "/machine-config", R"({"vcpu_count":3,"mem_size_mib":192})");
  StartMachine();
  EXPECT_EQ(room_.started_config().machine.vcpu_count, 3u);
  EXPECT_EQ(room_.started_config().boot_source->kernel_image_path, directory_.Path("kernel"));
  EXPECT_THAT(State(), HasSubstr(R"("state":"Running")"));
}

TEST_F(EndpointTest, StartWithoutABootSourceIsRefused) {
  ExpectFault(Call("PUT", "/actions", R"({"action_type":"InstanceStart"})"),
              R"({"fault_message":"Cannot start microvm without kernel configuration."})");
  EXPECT_THAT(State(), HasSubstr(R"("state":"Not started")"));
}

TEST_F(EndpointTest, StartThatFailsCanBeMendedAndTriedAgain) {
  Configure();
  const std::string before = Call("GET", "/vm/config").body;
  room_.FailWith("no KVM here");
  ExpectFault(Call("PUT", "/actions", R"({"action_type":"InstanceStart"})"),
              R"({"fault_message":"no KVM here"})");
  EXPECT_THAT(State(), HasSubstr(R"("state":"Not started")"));
  EXPECT_EQ(Call("GET", "/vm/config").body, before);
  room_.FailWith("");
  EXPECT_EQ(Call("PUT", "/machine-config", R"({"vcpu_count":2,"mem_size_mib":64})").status, 204);
  EXPECT_EQ(Call("PUT", "/actions", R"({"action_type":"InstanceStart"})").status, 204);
}

TEST_F(EndpointTest, SecondStartIsRefused) {
  StartMachine();
  ExpectFault(Call("PUT", "/actions", R"({"action_type":"InstanceStart"})"), kOnlyBefore);
}

TEST_F(EndpointTest, CtrlAltDelNeedsAMachine) {
  ExpectFault(Call("PUT", "/actions", R"({"action_type":"SendCtrlAltDel"})"), kOnlyAfter);
  StartMachine();
  EXPECT_EQ(Call("PUT", "/actions", R"({"action_type":"SendCtrlAltDel"})").head, kEmpty204);
  EXPECT_EQ(room_.events(), (std::vector<std::string>{"start", "ctrl-alt-del"}));
}

TEST_F(EndpointTest, WithoutAFileThereIsNothingToFlush) {
  ExpectFault(Call("PUT", "/actions", R"({"action_type":"FlushMetrics"})"), kOnlyAfter);
  StartMachine();
  EXPECT_EQ(Call("PUT", "/actions", R"({"action_type":"FlushMetrics"})").status, 204);
}

TEST_F(EndpointTest, WhatAnActionOnADeviceAnswersIsTheBody) {
  constexpr std::string_view kUpdate = R"({"drive_id":"rootfs","path_on_host":"/new"})";
  ExpectFault(Call("PATCH", "/drives/rootfs", kUpdate), kOnlyAfter);
  StartMachine();
  EXPECT_EQ(Call("PATCH", "/drives/rootfs", kUpdate).head, kEmpty204);
  room_.AnswerWith({.json = R"({"seen":true})"});
  const Reply reply = Call("PATCH", "/drives/rootfs", kUpdate);
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, R"({"seen":true})");
  room_.FailWith("no such drive");
  ExpectFault(Call("PATCH", "/drives/rootfs", kUpdate), R"({"fault_message":"no such drive"})");
}

TEST_F(EndpointTest, NetworkInterfaceIsShownInTheConfiguration) {
  EXPECT_EQ(Call("PUT", "/network-interfaces/eth0",
                 R"({"iface_id":"eth0","host_dev_name":"tap0","guest_mac":"06:00:C0:A8:00:01"})")
                .head,
            kEmpty204);
  EXPECT_THAT(Call("GET", "/vm/config").body,
              HasSubstr(R"("network-interfaces":[{"iface_id":"eth0","host_dev_name":"tap0",)"
                        R"("guest_mac":"06:00:c0:a8:00:01","rx_rate_limiter":null,)"
                        R"("tx_rate_limiter":null}])"));
}

TEST_F(EndpointTest, NetworkInterfaceIdsOfPathAndBodyMustBeTheSame) {
  EXPECT_EQ(Call("PUT", "/network-interfaces/eth1", R"({"iface_id":"eth0","host_dev_name":"tap0"})")
                .status,
            400);
  StartMachine();
  EXPECT_EQ(Call("PATCH", "/network-interfaces/eth1", R"({"iface_id":"eth0"})").status, 400);
}

TEST_F(EndpointTest, NetworkInterfaceIsChangedAfterTheStartOnly) {
  constexpr std::string_view kPut = R"({"iface_id":"eth0","host_dev_name":"tap0"})";
  constexpr std::string_view kPatch =
      R"({"iface_id":"eth0","rx_rate_limiter":{"ops":{"size":1,"refill_time":2}}})";
  ExpectFault(Call("PATCH", "/network-interfaces/eth0", kPatch), kOnlyAfter);
  StartMachine();
  EXPECT_EQ(Call("PATCH", "/network-interfaces/eth0", kPatch).head, kEmpty204);
  ExpectFault(Call("PUT", "/network-interfaces/eth0", kPut), kOnlyBefore);
}

TEST_F(EndpointTest, UnknownActionIsToldTheKnownOnes) {
  ExpectFault(Call("PUT", "/actions", R"({"action_type":"Explode"})"),
              R"({"fault_message":"An error occurred when deserializing the json body of a )"
              R"(request: action_type: unknown variant `Explode`, expected one of )"
              R"(`FlushMetrics`, `InstanceStart`, `SendCtrlAltDel`, `PowerButton`, )"
              R"(`ResetInPlace`."})");
}

TEST_F(EndpointTest, PauseAndResumeNeedAMachine) {
  ExpectFault(Call("PATCH", "/vm", R"({"state":"Paused"})"), kOnlyAfter);
  ExpectFault(Call("PATCH", "/vm", R"({"state":"Resumed"})"), kOnlyAfter);
}

TEST_F(EndpointTest, PauseAndResumeMayBeRepeated) {
  StartMachine();
  for (const std::string_view state : {"Paused", "Paused", "Resumed", "Resumed"}) {
    EXPECT_EQ(Call("PATCH", "/vm", Concat(R"({"state":")", state, R"("})")).head, kEmpty204);
    EXPECT_THAT(State(), HasSubstr(state == "Paused" ? R"("Paused")" : R"("Running")"));
  }
}

TEST_F(EndpointTest, PauseThatFailsLeavesTheMachineRunning) {
  StartMachine();
  room_.FailWith("a vCPU does not stop");
  ExpectFault(Call("PATCH", "/vm", R"({"state":"Paused"})"),
              R"({"fault_message":"a vCPU does not stop"})");
  EXPECT_THAT(State(), HasSubstr(R"("state":"Running")"));
}

TEST_F(EndpointTest, UnknownStateIsToldTheKnownOnes) {
  StartMachine();
  ExpectFault(Call("PATCH", "/vm", R"({"state":"Running"})"),
              R"({"fault_message":"An error occurred when deserializing the json body of a )"
              R"(request: state: unknown variant `Running`, expected `Paused` or `Resumed`."})");
}

TEST_F(EndpointTest, ConfigurationNamesEverySectionOfTheContract) {
  EXPECT_EQ(Call("GET", "/vm/config").body,
            Concat(R"({"balloon":null,"drives":[],"boot-source":{"kernel_image_path":"",)",
                   R"("initrd_path":null,"boot_args":null},"cpu-config":null,"logger":null,)",
                   R"("machine-config":)", kDefaultMachine,
                   R"(,"metrics":null,"mmds-config":null,"network-interfaces":[],"vsock":null,)",
                   R"("entropy":null,"pmem":[],"memory-hotplug":null})"));
}

TEST_F(EndpointTest, ConfigurationIsShownAfterTheStartToo) {
  Configure();
  const std::string before = Call("GET", "/vm/config").body;
  Call("PUT", "/actions", R"({"action_type":"InstanceStart"})");
  EXPECT_EQ(Call("GET", "/vm/config").body, before);
}

TEST_F(EndpointTest, GetCannotHaveABody) {
  ExpectFault(Call("GET", "/", "{}"), R"({"fault_message":"GET request cannot have a body."})");
}

TEST_F(EndpointTest, PutAndPatchNeedABody) {
  ExpectFault(Call("PUT", "/machine-config"), R"({"fault_message":"Empty PUT request."})");
  ExpectFault(Call("PATCH", "/machine-config"), R"({"fault_message":"Empty PATCH request."})");
}

TEST_F(EndpointTest, UnknownPathsAndMethodsAreNamed) {
  for (const auto& [method, path] :
       {std::pair{"PUT", "/unknown"}, std::pair{"PATCH", "/drives"}, std::pair{"DELETE", "/vm"},
        std::pair{"POST", "/actions"}, std::pair{"GET", "/vm/config/more"},
        std::pair{"PUT", "/drives/a/b"}, std::pair{"OPTIONS", "*"}}) {
    const bool empty = std::string_view(method) == "DELETE" || std::string_view(method) == "POST" ||
                       std::string_view(method) == "GET" || std::string_view(method) == "OPTIONS";
    ExpectFault(Call(method, path, empty ? "" : "{}"),
                Concat(R"({"fault_message":"Invalid request method and/or path: )",
                       std::string_view(method), " ", std::string_view(path), R"(."})"));
  }
}

TEST_F(EndpointTest, PowerButtonAndResetNeedAMachine) {
  ExpectFault(Call("PUT", "/actions", R"({"action_type":"PowerButton"})"), kOnlyAfter);
  ExpectFault(Call("PUT", "/actions", R"({"action_type":"ResetInPlace"})"), kOnlyAfter);
  StartMachine();
  EXPECT_EQ(Call("PUT", "/actions", R"({"action_type":"PowerButton"})").head, kEmpty204);
  EXPECT_EQ(Call("PUT", "/actions", R"({"action_type":"ResetInPlace"})").head, kEmpty204);
  EXPECT_EQ(room_.events(), (std::vector<std::string>{"start", "power button", "end", "start"}));
}

TEST_F(EndpointTest, LifecycleSetsWhatItNamesAndResetsTheRest) {
  EXPECT_EQ(Call("PUT", "/lifecycle", R"({"on_panic":"Pause","on_halt":"Reset"})").head, kEmpty204);
  EXPECT_EQ(Call("PUT", "/lifecycle", R"({"on_reboot":"Reset","on_crash":"Pause"})").head,
            kEmpty204);
  EXPECT_THAT(Call("GET", "/vm/config").body,
              HasSubstr(R"("lifecycle":{"on_reboot":"Reset","on_panic":"Exit","on_halt":"Exit",)"
                        R"("on_crash":"Pause"})"));
}

TEST_F(EndpointTest, LifecycleLimitsResetsWithinARange) {
  EXPECT_EQ(Call("PUT", "/lifecycle", R"({"resets_per_minute":1000})").head, kEmpty204);
  EXPECT_THAT(Call("GET", "/vm/config").body,
              HasSubstr(R"("on_crash":"Exit","resets_per_minute":1000})"));
  EXPECT_THAT(Call("PUT", "/lifecycle", R"({"resets_per_minute":1001})").body,
              HasSubstr("resets_per_minute 1001 exceeds the limit 1000"));
  EXPECT_THAT(Call("PUT", "/lifecycle", R"({"resets_per_minute":0})").body,
              HasSubstr("resets_per_minute is 0, which is below 1"));
  EXPECT_EQ(Call("PUT", "/lifecycle", R"({"resets_per_minute":null})").head, kEmpty204);
  EXPECT_THAT(Call("GET", "/vm/config").body, Not(HasSubstr("resets_per_minute")));
}

TEST_F(EndpointTest, LifecycleRefusesWhatItDoesNotKnow) {
  EXPECT_THAT(Call("PUT", "/lifecycle", R"({"on_panic":"Ignore"})").body,
              HasSubstr("on_panic: unknown variant `Ignore`, expected one of `Exit`, `Pause`, "
                        "`Reset`"));
  EXPECT_THAT(Call("PUT", "/lifecycle", R"({"on_nmi":"Exit"})").body,
              HasSubstr("unknown field `on_nmi`"));
  EXPECT_EQ(Call("PUT", "/lifecycle", R"({"on_panic":null})").status, 400);
  EXPECT_THAT(Call("GET", "/vm/config").body, Not(HasSubstr("lifecycle")));
  StartMachine();
  ExpectFault(Call("PUT", "/lifecycle", R"({"on_panic":"Pause"})"), kOnlyBefore);
}

}  // namespace
}  // namespace ember::api
