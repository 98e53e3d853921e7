#include "jailer/cgroups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "jailer/cgroup_mounts.h"
#include "tests/jailer/jailer_program.h"

namespace ember::jailer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::chrono::milliseconds kNoPatience{0};

TEST(CgroupMountsTest, FindsBothVersionsAndTheirControllers) {
  const std::vector<CgroupMount> mounts = ParseCgroupMounts(
      "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
      "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:4 - cgroup cgroup rw,cpu,cpuacct\n"
      "33 31 0:29 / /elsewhere rw - cgroup cgroup rw,cpu,cpuacct\n"
      "34 31 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
      "35 31 0:31 / /a\\040b rw shared:5 master:1 - cgroup2 cgroup2 rw,nsdelegate\n");
  ASSERT_EQ(mounts.size(), 3U);
  EXPECT_EQ(mounts[0].path, "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_THAT(mounts[0].controllers, ElementsAre("cpu", "cpuacct"));
  EXPECT_THAT(mounts[1].controllers, IsEmpty());
  EXPECT_EQ(mounts[2].path, "/a b");
  EXPECT_EQ(mounts[2].version, CgroupVersion::kV2);
}

TEST(CgroupMountsTest, ABrokenLineIsPassedOver) {
  EXPECT_THAT(ParseCgroupMounts(""), IsEmpty());
  EXPECT_THAT(ParseCgroupMounts("\n27 1\n- cgroup2\n"), IsEmpty());
}

// A directory that has the files of a cgroup hierarchy, as far as they are written and read.
class CgroupsTest : public ::testing::Test {
 protected:
  CgroupsTest() {
    config_.name.id = "machine";
    config_.name.exec_name = "vmm";
  }

  void MakeV2(const std::string& path, const std::string& controllers) {
    Make(path,
         {"cgroup.procs", "cgroup.subtree_control", "memory.max", "pids.max", "cgroup.freeze"});
    WriteFile(root_ / path + "/cgroup.controllers", controllers + "\n");
  }
  void Make(const std::string& path, const std::vector<std::string>& files) {
    std::filesystem::create_directories(root_ / path);
    for (const std::string& file : files) WriteFile(root_ / path + "/" + file, "");
  }
  void MakeWholeV2(const std::string& controllers) {
    for (const char* path : {"", "vmm", "vmm/machine"}) MakeV2(path, controllers);
  }
  std::vector<CgroupMount> V2() { return {{.path = root_.path(), .version = CgroupVersion::kV2}}; }
  std::vector<CgroupMount> V1(const std::string& controller) {
    return {{.path = root_.path(), .controllers = {controller}}};
  }

  TemporaryDirectory root_;
  Config config_;
};

TEST_F(CgroupsTest, V2EnablesTheControllersAlongThePathAndWritesEverySetting) {
  MakeWholeV2("cpu memory pids");
  config_.cgroups = {{"memory.max", "1048576"}, {"pids.max", "20"}, {"cgroup.freeze", "0"}};
  const Status entered = EnterCgroups(config_, V2());
  ASSERT_TRUE(entered) << entered.error().message();
  // A plain file keeps the last write.
  EXPECT_EQ(ReadFile(root_ / "cgroup.subtree_control"), "+pids");
  EXPECT_EQ(ReadFile(root_ / "vmm/cgroup.subtree_control"), "+pids");
  EXPECT_EQ(ReadFile(root_ / "vmm/machine/cgroup.subtree_control"), "");
  EXPECT_EQ(ReadFile(root_ / "vmm/machine/memory.max"), "1048576");
  EXPECT_EQ(ReadFile(root_ / "vmm/machine/pids.max"), "20");
  EXPECT_EQ(ReadFile(root_ / "vmm/machine/cgroup.procs"), "0");
}

TEST_F(CgroupsTest, V2LeavesControllersThatAreEnabledAlone) {
  MakeWholeV2("memory");
  WriteFile(root_ / "cgroup.subtree_control", "cpu memory\n");
  config_.cgroups = {{"memory.max", "1"}};
  ASSERT_TRUE(EnterCgroups(config_, V2()));
  EXPECT_EQ(ReadFile(root_ / "cgroup.subtree_control"), "cpu memory\n");
}

TEST_F(CgroupsTest, V2NamesAControllerThatIsNotThere) {
  MakeWholeV2("cpu memory2");
  config_.cgroups = {{"memory.max", "1"}};
  EXPECT_THAT(EnterCgroups(config_, V2()).error().message(), HasSubstr("no controller \"memory\""));
}

TEST_F(CgroupsTest, ASettingThatTheKernelLacksIsNamed) {
  MakeWholeV2("memory");
  config_.cgroups = {{"memory.nothing", "1"}};
  EXPECT_THAT(EnterCgroups(config_, V2()).error().message(),
              HasSubstr("--cgroup memory.nothing=1"));
}

TEST_F(CgroupsTest, V2WithoutSettingsMovesIntoANamedParentThatIsThere) {
  MakeV2("", "memory");
  ASSERT_TRUE(EnterCgroups(config_, V2()));  // no parent named: nothing to do
  EXPECT_FALSE(Exists(root_ / "vmm"));
  config_.name.parent_cgroup = "a/b";
  EXPECT_FALSE(EnterCgroups(config_, V2()));
  MakeV2("a/b", "memory");
  ASSERT_TRUE(EnterCgroups(config_, V2()));
  EXPECT_EQ(ReadFile(root_ / "a/b/cgroup.procs"), "0");
  EXPECT_FALSE(Exists(root_ / "a/b/machine"));
}

TEST_F(CgroupsTest, V1GivesANewCpusetItsParentsProcessorsAndMemory) {
  for (const char* path : {"", "vmm", "vmm/machine"}) {
    Make(path, {"cpuset.cpus", "cpuset.mems", "cgroup.procs"});
  }
  WriteFile(root_ / "cpuset.cpus", "0-3\n");
  WriteFile(root_ / "cpuset.mems", "0\n");
  config_.cgroups = {{"cpuset.cpus", "2"}};
  const Status entered = EnterCgroups(config_, V1("cpuset"));
  ASSERT_TRUE(entered) << entered.error().message();
  EXPECT_EQ(ReadFile(root_ / "vmm/cpuset.cpus"), "0-3\n");
  EXPECT_EQ(ReadFile(root_ / "vmm/machine/cpuset.cpus"), "2");
  EXPECT_EQ(ReadFile(root_ / "vmm/machine/cpuset.mems"), "0\n");
  EXPECT_EQ(ReadFile(root_ / "vmm/machine/cgroup.procs"), "0");
}

TEST_F(CgroupsTest, V1NamesAControllerThatNoHierarchyHas) {
  config_.cgroups = {{"memory.limit_in_bytes", "1"}};
  EXPECT_THAT(EnterCgroups(config_, V1("cpu")).error().message(), HasSubstr("\"memory\""));
  EXPECT_FALSE(Exists(root_ / "vmm"));
}

TEST_F(CgroupsTest, TheVersionIsTheOneAskedForElseWhereTheControllersAre) {
  EXPECT_EQ(VersionOf(config_.name, V1("cpu")), CgroupVersion::kV1);
  EXPECT_EQ(VersionOf(config_.name, V2()), CgroupVersion::kV2);
  config_.name.cgroup_version = CgroupVersion::kV2;
  EXPECT_EQ(VersionOf(config_.name, V1("cpu")), CgroupVersion::kV2);
  config_.cgroups = {{"cpu.weight", "1"}};
  EXPECT_FALSE(EnterCgroups(config_, V1("cpu")));  // no v2 is mounted
}

TEST_F(CgroupsTest, ALinkInAHierarchyIsNotFollowed) {
  MakeV2("", "memory");
  MakeV2("elsewhere", "memory");
  std::filesystem::create_directory_symlink(root_ / "elsewhere", root_ / "vmm");
  config_.cgroups = {{"memory.max", "1"}};
  EXPECT_FALSE(EnterCgroups(config_, V2()));
  EXPECT_FALSE(Exists(root_ / "elsewhere/machine"));
}

TEST_F(CgroupsTest, RemovesOnlyTheMachinesAndSoAgain) {
  std::filesystem::create_directories(root_ / "vmm/machine");
  std::filesystem::create_directories(root_ / "vmm/other");
  EXPECT_TRUE(RemoveCgroups(config_.name, V1("cpu"), kNoPatience));
  EXPECT_FALSE(Exists(root_ / "vmm/machine"));
  EXPECT_TRUE(Exists(root_ / "vmm/other"));
  EXPECT_TRUE(RemoveCgroups(config_.name, V1("cpu"), kNoPatience));
  config_.name.parent_cgroup = "never/made";
  EXPECT_TRUE(RemoveCgroups(config_.name, V1("cpu"), kNoPatience));
}

}  // namespace
}  // namespace ember::jailer
