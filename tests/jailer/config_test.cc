#include "jailer/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "jailer/devices.h"
#include "tests/jailer/jailer_program.h"

namespace ember::jailer {
namespace {

using ::testing::HasSubstr;

TEST(ConfigTest, AnIdHasOneTo64LettersDigitsAndDashes) {
  EXPECT_TRUE(CheckId("a"));
  EXPECT_TRUE(CheckId("Az-09"));
  EXPECT_TRUE(CheckId(std::string(64, 'x')));
  EXPECT_THAT(CheckId(std::string(65, 'x')).error().message(), HasSubstr("65 bytes exceeds"));
  for (const char* id : {"", "a/b", "..", "a_b", "a b", "\xc3\xa4"})
    EXPECT_FALSE(CheckId(id)) << id;
}

TEST(ConfigTest, TheProgramIsNamedByItsLastComponent) {
  EXPECT_EQ(*ExecName("/usr/bin/firecracker"), "firecracker");
  EXPECT_EQ(*ExecName("ember-vmm"), "ember-vmm");
  for (const char* path : {"", "/", "/usr/", "..", "/usr/.."}) EXPECT_FALSE(ExecName(path)) << path;
}

TEST(ConfigTest, AUserNumberIsDecimalAndNotMinusOne) {
  EXPECT_EQ(*ParseUserNumber("0"), 0U);
  EXPECT_EQ(*ParseUserNumber("4294967294"), 4294967294U);
  for (const char* text : {"4294967295", "4294967296", "-1", "+1", "", "1x", "0x1", " 1"}) {
    EXPECT_FALSE(ParseUserNumber(text)) << text;
  }
}

TEST(ConfigTest, ACgroupSettingIsAFileOfAControllerAndAValue) {
  const CgroupSetting setting = *ParseCgroupSetting("cpuset.cpus=0,1=2");
  EXPECT_EQ(setting.file, "cpuset.cpus");
  EXPECT_EQ(setting.value, "0,1=2");
  EXPECT_EQ(setting.controller(), "cpuset");
  for (const char* text : {"", "cpu.shares", "cpu.shares=", "=1", "cpu=1", "cpu.=1", ".x=1",
                           "../cpu.shares=1", "a/cpu.shares=1"}) {
    EXPECT_FALSE(ParseCgroupSetting(text)) << text;
  }
}

TEST(ConfigTest, AParentCgroupStaysBelowItsHierarchy) {
  EXPECT_TRUE(CheckParentCgroup("a"));
  EXPECT_TRUE(CheckParentCgroup("a.slice/b"));
  for (const char* path : {"", "/a", "a/", "a//b", "..", "a/../b", "."}) {
    EXPECT_FALSE(CheckParentCgroup(path)) << path;
  }
}

TEST(ConfigTest, ResourceLimitsAreNamedNumbers) {
  const Limits limits = *WithLimit(*WithLimit({}, "fsize=0"), "no-file=18446744073709551615");
  EXPECT_EQ(limits.file_size_bytes, 0U);
  EXPECT_EQ(limits.descriptors, UINT64_MAX);
  for (const char* text : {"", "fsize", "fsize=", "fsize=-1", "nofile=1", "no-file=1k",
                           "no-file=18446744073709551616"}) {
    EXPECT_FALSE(WithLimit({}, text)) << text;
  }
}

TEST(ConfigTest, AMiscDevicesNumberIsFoundByItsWholeName) {
  const char misc[] = "257 userfaultfd\n 10 kvm-x\n232 kvm\n";
  EXPECT_EQ(MiscMinor(misc, "userfaultfd"), 257U);
  EXPECT_EQ(MiscMinor(misc, "kvm"), 232U);
  EXPECT_EQ(MiscMinor(misc, "tun"), std::nullopt);
}

struct BadLine {
  Words arguments;
  const char* says;
};

TEST(CommandLineTest, EveryWrongArgumentIsNamedAndNothingIsMade) {
  const TemporaryDirectory directory;
  const std::string base = directory / "base";
  const Words good = {"--exec-file", EMBER_INMATE, "--gid=2", "--chroot-base-dir", base};
  const Words whole = good + Words{"--id", "m", "--uid=1"};
  const BadLine lines[] = {
      {{"--uid", "1", "--id", "a"}, "--exec-file is required"},
      {good + Words{"--uid", "1"}, "--id is required"},
      {good + Words{"--id", "m"}, "--uid is required"},
      {{"--id=m", "--uid=1", "--exec-file=/bin/true"}, "--gid is required"},
      {good + Words{"--id", "m", "--uid=-1"}, "--uid: \"-1\""},
      {good + Words{"--id", "m.n", "--uid=1"}, "--id \"m.n\""},
      {{"--id=m", "--uid=1", "--gid=x", "--exec-file=/bin/true"}, "--gid: \"x\""},
      {{"--id=m", "--uid=1", "--gid=1", "--exec-file=/"}, "--exec-file \"/\""},
      {{"--id=m", "--uid=1", "--gid=1", "--exec-file=/x/run"}, "a directory of the jail"},
      {whole + Words{"--cgroup", "x"}, "--cgroup \"x\""},
      {whole + Words{"--cgroup-version", "3"}, "--cgroup-version \"3\""},
      {whole + Words{"--parent-cgroup", "../x"}, "--parent-cgroup \"../x\""},
      {whole + Words{"--resource-limit=cpu=1"}, "--resource-limit \"cpu=1\""},
      {whole + Words{"--unknown"}, "--unknown"},
      {whole + Words{"left-over"}, "left-over"},
      {whole + Words{"--uid=2"}, "--uid"},
      {{"--cleanup", "--id=m"}, "--exec-file is required"},
  };
  for (const BadLine& line : lines) {
    const Output output = RunJailer(line.arguments);
    EXPECT_EQ(output.status, 1) << line.says;
    EXPECT_THAT(output.text, HasSubstr(line.says));
  }
  EXPECT_FALSE(Exists(base));
}

TEST(CommandLineTest, VersionNamesTheReleaseOfTheContract) {
  const Output output = RunJailer({"--version"});
  EXPECT_EQ(output.status, 0);
  EXPECT_THAT(output.text, HasSubstr("Jailer v1."));
}

}  // namespace
}  // namespace ember::jailer
