#include "vmm/config_json.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>

namespace ember::vmm {
namespace {

// The error of reading `text`, or "" where there is none.
template <typename T>
std::string ErrorOf(Result<T> (*read)(const JsonValue&), std::string_view text) {
  const Result<JsonValue> json = ParseJson(text);
  if (!json) return json.error().message();
  const Result<T> value = read(*json);
  return value ? "" : value.error().message();
}

template <typename T>
T ValueOf(Result<T> (*read)(const JsonValue&), std::string_view text) {
  const Result<T> value = read(*ParseJson(text));
  EXPECT_TRUE(value) << value.error().message();
  return value.value_or(T{});
}

// What a value makes of a reader; `body` has the value in place of @.
struct Case {
  std::string_view body;
  std::string_view value;
  std::string_view error;
};

template <typename T>
void ExpectErrors(Result<T> (*read)(const JsonValue&), std::initializer_list<Case> cases) {
  for (const Case& one : cases) {
    std::string text(one.body);
    if (const size_t at = text.find('@'); at != std::string::npos) text.replace(at, 1, one.value);
    EXPECT_EQ(ErrorOf(read, text), one.error) << text;
  }
}

TEST(MachineConfigJsonTest, EachFieldHasItsTypeAndRange) {
  constexpr std::string_view kCount = R"({"vcpu_count":@,"mem_size_mib":128})";
  constexpr std::string_view kSize = R"({"vcpu_count":1,"mem_size_mib":@})";
  constexpr std::string_view kSmt = R"({"vcpu_count":1,"mem_size_mib":128,"smt":@})";
  constexpr std::string_view kPages = R"({"vcpu_count":1,"mem_size_mib":128,"huge_pages":@})";
  constexpr std::string_view kTrack =
      R"({"vcpu_count":1,"mem_size_mib":128,"track_dirty_pages":@})";
  ExpectErrors(
      ReadMachineConfig,
      {{kCount, "0", ""},  // the range within the type is Validate()'s matter
       {kCount, "255", ""},
       {kCount, "256", "vcpu_count: invalid value: integer `256`, expected u8"},
       {kCount, "-1", "vcpu_count: invalid value: integer `-1`, expected u8"},
       {kCount, "1.0", "vcpu_count: invalid type: floating point `1`, expected u8"},
       {kCount, "1e99", "vcpu_count: invalid type: floating point `1e+99`, expected u8"},
       {kCount, "\"1\"", "vcpu_count: invalid type: string \"1\", expected u8"},
       {kCount, "true", "vcpu_count: invalid type: boolean `true`, expected u8"},
       {kCount, "null", "vcpu_count: invalid type: null, expected u8"},
       {kCount, "[1]", "vcpu_count: invalid type: sequence, expected u8"},
       {kCount, "{}", "vcpu_count: invalid type: map, expected u8"},
       {kSize, "18446744073709551615", ""},
       {kSize, "18446744073709551616",
        "mem_size_mib: invalid type: floating point `18446744073709551616`, expected u64"},
       {kSize, "-9223372036854775808",
        "mem_size_mib: invalid value: integer `-9223372036854775808`, expected u64"},
       {kSize, "null", "mem_size_mib: invalid type: null, expected u64"},
       {kSmt, "true", ""},
       {kSmt, "1", "smt: invalid type: integer `1`, expected a boolean"},
       {kSmt, "null", "smt: invalid type: null, expected a boolean"},
       {kTrack, "\"yes\"", "track_dirty_pages: invalid type: string \"yes\", expected a boolean"},
       {kPages, "\"2M\"", ""},
       {kPages, "\"2m\"",
        "huge_pages: unknown variant `2m`, expected one of `None`, `Transparent`, `2M`"},
       {kPages, "2", "huge_pages: invalid type: integer `2`, expected a string"},
       {kPages, "null", "huge_pages: invalid type: null, expected a string"}});
}

TEST(MachineConfigJsonTest, CountAndSizeAreRequired) {
  EXPECT_EQ(ErrorOf(ReadMachineConfig, R"({"mem_size_mib":128})"), "missing field `vcpu_count`");
  EXPECT_EQ(ErrorOf(ReadMachineConfig, R"({"vcpu_count":1})"), "missing field `mem_size_mib`");
}

TEST(MachineConfigJsonTest, UnknownFieldIsToldTheKnownOnes) {
  EXPECT_EQ(ErrorOf(ReadMachineConfig, R"({"vcpu_cout":1,"mem_size_mib":128})"),
            "unknown field `vcpu_cout`, expected one of `vcpu_count`, `mem_size_mib`, `smt`, "
            "`cpu_template`, `track_dirty_pages`, `huge_pages`, `forkable`");
}

TEST(MachineConfigJsonTest, AbsentFieldsHaveTheContractsDefaults) {
  EXPECT_EQ(ValueOf(ReadMachineConfig, R"({"vcpu_count":2,"mem_size_mib":64})"),
            (MachineConfig{.vcpu_count = 2, .mem_size_mib = 64}));
}

TEST(MachineConfigJsonTest, WhatIsWrittenIsReadAgain) {
  const MachineConfig machine{.vcpu_count = 8,
                              .mem_size_mib = 4096,
                              .smt = true,
                              .cpu_template = CpuTemplate::kT2CL,
                              .track_dirty_pages = true,
                              .huge_pages = HugePages::kTransparent};
  EXPECT_EQ(ValueOf(ReadMachineConfig, ToJson(machine)), machine);
}

// A client of the contract does not know it.
TEST(MachineConfigJsonTest, ForkableIsWrittenWhereItIsSet) {
  EXPECT_EQ(ToJson(MachineConfig{}).find("forkable"), std::string::npos);
  const MachineConfig machine{.forkable = true};
  EXPECT_EQ(ValueOf(ReadMachineConfig, ToJson(machine)), machine);
  EXPECT_EQ(ErrorOf(ReadMachineConfig, R"({"vcpu_count":1,"mem_size_mib":1,"forkable":1})"),
            "forkable: invalid type: integer `1`, expected a boolean");
}

TEST(MachineConfigUpdateJsonTest, NullIsAsAbsent) {
  EXPECT_EQ(ValueOf(ReadMachineConfigUpdate,
                    R"({"vcpu_count":null,"mem_size_mib":null,"smt":null,"cpu_template":null,)"
                    R"("track_dirty_pages":null,"huge_pages":null})"),
            MachineConfigUpdate{});
}

TEST(MachineConfigUpdateJsonTest, EachFieldIsTaken) {
  EXPECT_EQ(ValueOf(ReadMachineConfigUpdate,
                    R"({"vcpu_count":2,"mem_size_mib":3,"smt":true,"cpu_template":"C3",)"
                    R"("track_dirty_pages":true,"huge_pages":"2M"})"),
            (MachineConfigUpdate{.vcpu_count = 2,
                                 .mem_size_mib = 3,
                                 .smt = true,
                                 .cpu_template = CpuTemplate::kC3,
                                 .track_dirty_pages = true,
                                 .huge_pages = HugePages::k2M}));
}

TEST(BootSourceJsonTest, EachFieldHasItsType) {
  constexpr std::string_view kKernel = R"({"kernel_image_path":@})";
  constexpr std::string_view kArgs = R"({"kernel_image_path":"/k","boot_args":@})";
  constexpr std::string_view kInitrd = R"({"kernel_image_path":"/k","initrd_path":@})";
  constexpr std::string_view kProtocol = R"({"kernel_image_path":"/k","boot_protocol":@})";
  constexpr std::string_view kHardware = R"({"kernel_image_path":"/k","hardware_description":@})";
  ExpectErrors(ReadBootSource,
               {{"{}", "", "missing field `kernel_image_path`"},
                {kKernel, "null", "kernel_image_path: invalid type: null, expected a string"},
                {kKernel, "7", "kernel_image_path: invalid type: integer `7`, expected a string"},
                {kInitrd, "null", ""},
                {kInitrd, "[]", "initrd_path: invalid type: sequence, expected a string"},
                {kArgs, "null", ""},
                {kArgs, "{}", "boot_args: invalid type: map, expected a string"},
                {kProtocol, "\"Pvh\"", ""},
                {kProtocol, "\"pvh\"",
                 "boot_protocol: unknown variant `pvh`, expected one of `Auto`, `Linux64`, `Pvh`"},
                {kHardware, "\"DeviceTree\"", ""},
                {kHardware, "\"\"",
                 "hardware_description: unknown variant ``, expected one of `Acpi`, `MpTable`, "
                 "`DeviceTree`"}});
}

TEST(DriveJsonTest, EachFieldHasItsType) {
  constexpr std::string_view kId = R"({"drive_id":@,"is_root_device":true,"path_on_host":"/d"})";
  constexpr std::string_view kRoot = R"({"drive_id":"a","is_root_device":@,"path_on_host":"/d"})";
  constexpr std::string_view kPath = R"({"drive_id":"a","is_root_device":true,"path_on_host":@})";
  constexpr std::string_view kMore =
      R"({"drive_id":"a","is_root_device":true,"path_on_host":"/d",@})";
  ExpectErrors(
      ReadDrive,
      {{kId, "1", "drive_id: invalid type: integer `1`, expected a string"},
       {kRoot, "0", "is_root_device: invalid type: integer `0`, expected a boolean"},
       {kPath, "null", "path_on_host: invalid type: null, expected a string"},
       {R"({"drive_id":"a","is_root_device":true})", "", "missing field `path_on_host`"},
       {R"({"drive_id":"a","path_on_host":"/d"})", "", "missing field `is_root_device`"},
       {R"({"is_root_device":true,"path_on_host":"/d"})", "", "missing field `drive_id`"},
       {kMore, R"("partuuid":null,"rate_limiter":null,"socket":null,"is_read_only":null)", ""},
       {kMore, R"("partuuid":1)", "partuuid: invalid type: integer `1`, expected a string"},
       {kMore, R"("is_read_only":"no")",
        "is_read_only: invalid type: string \"no\", expected a boolean"},
       {kMore, R"("cache_type":"None")",
        "cache_type: unknown variant `None`, expected `Unsafe` or `Writeback`"},
       {kMore, R"("io_engine":"Uring")",
        "io_engine: unknown variant `Uring`, expected `Sync` or `Async`"},
       {kMore, R"("discard":false)", ""},
       {kMore, R"("discard":1)", "discard: invalid type: integer `1`, expected a boolean"},
       {kMore, R"("direct":1)", "direct: invalid type: integer `1`, expected a boolean"},
       {kMore, R"("queues":null)", ""},
       {kMore, R"("queues":"2")", "queues: invalid type: string \"2\", expected u16"},
       {kMore, R"("rate_limiter":{})", ""},
       {kMore, R"("rate_limiter":{"ops":{"size":1}})",
        "rate_limiter: ops: missing field `refill_time`"},
       {kMore, R"("rate_limiter":{"iops":null})",
        "rate_limiter: unknown field `iops`, expected `bandwidth` or `ops`"}});
}

TEST(DriveJsonTest, AbsentFieldsHaveTheContractsDefaults) {
  EXPECT_EQ(ValueOf(ReadDrive, R"({"drive_id":"a","is_root_device":false,"path_on_host":"/d"})"),
            (DriveConfig{.drive_id = "a", .path_on_host = "/d"}));
}

TEST(DriveJsonTest, EachFieldIsTaken) {
  EXPECT_EQ(ValueOf(ReadDrive,
                    R"({"drive_id":"a","is_root_device":true,"path_on_host":"/d","partuuid":"u",)"
                    R"("cache_type":"Writeback","is_read_only":true,"io_engine":"Async",)"
                    R"("discard":true,"queues":4,"direct":true,)"
                    R"("rate_limiter":{"ops":{"size":9,"refill_time":100}}})"),
            (DriveConfig{.drive_id = "a",
                         .path_on_host = "/d",
                         .is_root_device = true,
                         .partuuid = "u",
                         .is_read_only = true,
                         .cache_type = CacheType::kWriteback,
                         .io_engine = IoEngine::kAsync,
                         .rate_limiter = {.ops = TokenBucketConfig{.size = 9, .refill_time = 100}},
                         .discard = true,
                         .queues = 4,
                         .direct = true}));
}

TEST(DriveJsonTest, AnUpdateTakesEachFieldAndNoOther) {
  EXPECT_EQ(
      ValueOf(ReadDriveUpdate, R"({"drive_id":"a","path_on_host":"/n",)"
                               R"("rate_limiter":{"bandwidth":{"size":1,"refill_time":2}}})"),
      (DriveUpdate{.drive_id = "a",
                   .path_on_host = "/n",
                   .rate_limiter = {.bandwidth = TokenBucketConfig{.size = 1, .refill_time = 2}}}));
  EXPECT_EQ(ValueOf(ReadDriveUpdate, R"({"drive_id":"a"})"), (DriveUpdate{.drive_id = "a"}));
  EXPECT_NE(ErrorOf(ReadDriveUpdate, R"({"drive_id":"a","is_read_only":true})"), "");
}

TEST(DriveJsonTest, DriveBehindASocketHasNoPath) {
  EXPECT_EQ(ValueOf(ReadDrive, R"({"drive_id":"a","is_root_device":true,"socket":"/s"})"),
            (DriveConfig{.drive_id = "a", .socket = "/s", .is_root_device = true}));
}

TEST(SerialJsonTest, EachFieldHasItsType) {
  ExpectErrors(ReadSerial,
               {{"{}", "", ""},
                {R"({"serial_out_path":@})", "null", ""},
                {R"({"serial_out_path":@})", "false",
                 "serial_out_path: invalid type: boolean `false`, expected a string"},
                {R"({"rate_limiter":@})", "null", ""},
                {R"({"rate_limiter":@})", R"({"size":1,"refill_time":2,"one_time_burst":3})", ""},
                {R"({"rate_limiter":@})", "{}", "rate_limiter: missing field `size`"},
                {R"({"path":@})", "1",
                 "unknown field `path`, expected `serial_out_path` or `rate_limiter`"}});
}

}  // namespace
}  // namespace ember::vmm
