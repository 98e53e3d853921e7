// The whole jailer, and what a program sees of itself in the jail. As root.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "jailer/cgroup_mounts.h"
#include "tests/jailer/jailer_program.h"

namespace ember::jailer {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kUser[] = "61234";
constexpr char kGroup[] = "61235";

class JailTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  }

  Words Arguments(const std::string& id, const Words& more = {}) const {
    return Words{"--id",  id,     "--exec-file",       inmate_, "--uid", kUser,
                 "--gid", kGroup, "--chroot-base-dir", base_} +
           more;
  }
  Output CleanUp(const std::string& id) const {
    return RunJailer({"--cleanup", "--id", id, "--exec-file", inmate_, "--chroot-base-dir", base_});
  }
  std::string Machine(const std::string& id) const { return base_ + "/inmate/" + id; }
  pid_t Pid(const std::string& id) const {
    return static_cast<pid_t>(std::stol("0" + ReadFile(Machine(id) + "/root/inmate.pid")));
  }
  // Ends a machine that is not our child, and cleans up once it is gone.
  void EndAndCleanUp(const std::string& id) const {
    const pid_t pid = Pid(id);
    ASSERT_GT(pid, 1);
    ::kill(pid, SIGKILL);
    while (CleanUp(id).status != 0) {
    }
    EXPECT_FALSE(Exists(Machine(id)));
  }

  TemporaryDirectory directory_;
  std::string base_ = directory_ / "base";
  std::string inmate_ = InmateIn(directory_);
};

TEST_F(JailTest, TheProgramHasNothingButItsJailAndItsUser) {
  const Output seen = RunJailer(Arguments("m", {"--", "--api-sock", "/run/api"}));
  ASSERT_EQ(seen.status, 0) << seen.text;
  EXPECT_EQ(seen.Value("uids"), "61234 61234 61234");
  EXPECT_EQ(seen.Value("gids"), "61235 61235 61235");
  EXPECT_EQ(seen.Value("groups"), "0");
  EXPECT_EQ(seen.Value("cwd"), "/");
  EXPECT_EQ(seen.Value("no_new_privs"), "1");
  EXPECT_EQ(seen.Value("capabilities"), "0 0 0");
  EXPECT_EQ(seen.Value("bounding"), "0");
  EXPECT_EQ(seen.Value("no-file"), "2048 2048");
  EXPECT_THAT(seen.Values("environment"), IsEmpty());
  EXPECT_EQ(seen.Value("mount"), "1");
  EXPECT_EQ(seen.Value("setuid"), "1");
  EXPECT_EQ(seen.Value("passwd"), "2");
  EXPECT_EQ(seen.Value("urandom"), "0");
}

TEST_F(JailTest, TheProgramGetsTheContractsArgumentsThenItsOwn) {
  const Output seen = RunJailer(Arguments("m", {"--", "--api-sock", "/run/api", "--"}));
  const Words arguments = seen.Values("argument");
  ASSERT_EQ(arguments.size(), 12U) << seen.text;
  EXPECT_EQ(arguments[0], "/inmate");
  EXPECT_EQ(arguments[1], "--id");
  EXPECT_EQ(arguments[2], "m");
  EXPECT_EQ(arguments[3], "--start-time-us");
  EXPECT_EQ(arguments[5], "--start-time-cpu-us");
  EXPECT_EQ(arguments[7], "--parent-cpu-time-us");
  EXPECT_EQ(arguments[8], "0");
  EXPECT_EQ(arguments[9], "--api-sock");
  EXPECT_EQ(arguments[11], "--");
}

TEST_F(JailTest, TheOnlyDescriptorBesidesStdioIsTheLockForReading) {
  const Output seen = RunJailer(Arguments("m"));
  const Words descriptors = seen.Values("fd");
  ASSERT_EQ(descriptors.size(), 4U) << seen.text;
  EXPECT_THAT(descriptors[3], HasSubstr(" 100000 0"));
}

TEST_F(JailTest, TheJailHoldsTheContractsFilesWithTheirOwnersAndNumbers) {
  const Output seen = RunJailer(Arguments("m"));
  EXPECT_THAT(
      seen.Values("entry"),
      IsSupersetOf({"/dev 40700 61234:61235 0:0", "/dev/net 40700 61234:61235 0:0",
                    "/run 40700 61234:61235 0:0", "/dev/kvm 20600 61234:61235 10:232",
                    "/dev/net/tun 20600 61234:61235 10:200", "/dev/urandom 20600 61234:61235 1:9",
                    "/inmate 100500 61234:61235 0:0", "/inmate.pid 100644 0:0 0:0"}));
  const bool userfaultfd = ReadFile("/proc/misc").find("userfaultfd") != std::string::npos;
  EXPECT_EQ(seen.Values("entry").size(), userfaultfd ? 9U : 8U);
  EXPECT_EQ(std::to_string(Pid("m")), seen.Value("pid"));
  struct stat root {};
  ASSERT_EQ(::stat((Machine("m") + "/root").c_str(), &root), 0);
  EXPECT_EQ(root.st_mode & 07777, 0700U);
  EXPECT_EQ(root.st_uid, 61234U);
}

TEST_F(JailTest, FilesAndMountsPutThereBeforeAreThere) {
  const std::string root = Machine("m") + "/root";
  std::filesystem::create_directories(root + "/mounted");
  WriteFile(root + "/kernel", "image");
  ASSERT_EQ(::mount("none", (root + "/mounted").c_str(), "tmpfs", 0, nullptr), 0);
  WriteFile(root + "/mounted/disk", "blocks");
  const Output seen = RunJailer(Arguments("m"));
  EXPECT_THAT(seen.Values("entry"),
              AllOf(Contains(StartsWith("/kernel ")), Contains(StartsWith("/mounted/disk "))));
  EXPECT_THAT(CleanUp("m").text, HasSubstr("mounted"));
  ASSERT_EQ(::umount((root + "/mounted").c_str()), 0);
  EXPECT_EQ(CleanUp("m").status, 0);
}

TEST_F(JailTest, LimitsAreThoseAskedFor) {
  const Output seen = RunJailer(
      Arguments("m", {"--resource-limit", "no-file=100", "--resource-limit=fsize=65536"}));
  EXPECT_EQ(seen.Value("no-file"), "100 100");
  EXPECT_EQ(seen.Value("fsize"), "65536");
}

TEST_F(JailTest, ASecondJailerAndACleanUpAreRefusedWhileTheMachineLives) {
  const std::string output = directory_ / "output";
  const pid_t machine =
      StartJailer(Arguments("m", {"--", "--stay", "--report", "/report"}), output);
  ASSERT_THAT(WaitForFile(Machine("m") + "/root/report"), HasSubstr("end")) << ReadFile(output);
  for (const Output& second : {RunJailer(Arguments("m")), CleanUp("m")}) {
    EXPECT_EQ(second.status, 1);
    EXPECT_THAT(second.text, HasSubstr("/inmate/m: the machine lives"));
  }
  EXPECT_EQ(RunJailer(Arguments("n")).status, 0);
  ::kill(machine, SIGKILL);
  ASSERT_EQ(::waitpid(machine, nullptr, 0), machine);
  EXPECT_EQ(RunJailer(Arguments("m")).status, 0);
  for (int times = 0; times < 2; ++times) EXPECT_EQ(CleanUp("m").status, 0);
  EXPECT_FALSE(Exists(Machine("m")));
  EXPECT_EQ(CleanUp("never-made").status, 0);
}

TEST_F(JailTest, ADaemonInAProcessNamespaceOutlivesTheJailer) {
  const Output started = RunJailer(
      Arguments("m", {"--daemonize", "--new-pid-ns", "--", "--stay", "--report", "/report"}));
  ASSERT_EQ(started.status, 0) << started.text;
  EXPECT_THAT(started.text, IsEmpty());
  const Output seen{.status = 0, .text = WaitForFile(Machine("m") + "/root/report")};
  EXPECT_EQ(seen.Value("pid"), "1");
  EXPECT_EQ(seen.Value("session"), "1");
  for (const char* standard : {"0 20000 2", "1 20000 2", "2 20000 2"}) {
    EXPECT_THAT(seen.Values("fd"), Contains(standard));
  }
  EXPECT_NE(seen.Values("argument").at(8), "0");  // the jailer's processor time
  EXPECT_EQ(CleanUp("m").status, 1);
  EndAndCleanUp("m");
}

TEST_F(JailTest, AProgramThatCannotBeRunIsAnErrorAlsoOfADaemon) {
  const std::string script = directory_ / "script";
  WriteFile(script, "neither a program nor a script");
  for (const Words& more : {Words{}, Words{"--daemonize"}, Words{"--new-pid-ns"}}) {
    const Output output = RunJailer(
        Words{"--id=m", "--exec-file", script, "--uid=1", "--gid=1", "--chroot-base-dir", base_} +
        more);
    EXPECT_EQ(output.status, 1);
    EXPECT_THAT(output.text, HasSubstr("exec /script"));
  }
}

TEST_F(JailTest, AMissingProgramOrNamespaceIsNamed) {
  EXPECT_THAT(RunJailer(Words{"--id=m", "--exec-file=/nowhere/vmm", "--uid=1", "--gid=1",
                              "--chroot-base-dir", base_})
                  .text,
              HasSubstr("/nowhere/vmm"));
  EXPECT_FALSE(Exists(base_));
  EXPECT_THAT(RunJailer(Arguments("m", {"--netns", "/nowhere/net"})).text,
              HasSubstr("--netns: open /nowhere/net"));
  EXPECT_THAT(RunJailer(Arguments("m", {"--netns", inmate_})).text, HasSubstr("--netns: setns"));
}

TEST_F(JailTest, JoinsTheNetworkNamespaceThatIsNamed) {
  int ready[2];
  ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
  const pid_t holder = ::fork();
  if (holder == 0) {
    if (::unshare(CLONE_NEWNET) == 0) (void)!::write(ready[1], "r", 1);
    ::pause();
    ::_exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  const std::string network = "/proc/" + std::to_string(holder) + "/ns/net";
  const std::string output = directory_ / "output";
  const pid_t machine = StartJailer(
      Arguments("m", {"--netns", network, "--", "--stay", "--report", "/report"}), output);
  EXPECT_THAT(WaitForFile(Machine("m") + "/root/report"), HasSubstr("end")) << ReadFile(output);
  EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(machine) + "/ns/net"),
            std::filesystem::read_symlink(network));
  for (const pid_t child : {machine, holder}) {
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(JailTest, TheHostSeesNoMountOfAJail) {
  const std::string before = ReadFile("/proc/self/mountinfo");
  const pid_t machine =
      StartJailer(Arguments("m", {"--", "--stay", "--report", "/report"}), directory_ / "output");
  EXPECT_THAT(WaitForFile(Machine("m") + "/root/report"), HasSubstr("end"));
  EXPECT_EQ(ReadFile("/proc/self/mountinfo"), before);
  const std::string mounts = ReadFile("/proc/" + std::to_string(machine) + "/mountinfo");
  EXPECT_THAT(mounts, HasSubstr(" / rw,nosuid"));
  EXPECT_EQ(std::count(mounts.begin(), mounts.end(), '\n'), 1);
  ::kill(machine, SIGKILL);
  ::waitpid(machine, nullptr, 0);
}

TEST_F(JailTest, LimitsOfCgroupsHoldAndGoWithTheMachine) {
  const auto mounts = ReadCgroupMounts();
  ASSERT_TRUE(mounts);
  std::string pids;
  for (const CgroupMount& mount : *mounts) {
    for (const std::string& controller : mount.controllers) {
      if (controller == "pids") pids = mount.path;
    }
  }
  if (pids.empty()) GTEST_SKIP() << "no cgroup v1 hierarchy has the pids controller";
  const std::string parent = std::filesystem::path(directory_.path()).filename();
  const Output started =
      RunJailer(Arguments("m", {"--cgroup", "pids.max=7", "--parent-cgroup", parent, "--daemonize",
                                "--", "--stay", "--report", "/report"}));
  ASSERT_EQ(started.status, 0) << started.text;
  const std::string cgroup = pids + "/" + parent + "/m";
  EXPECT_EQ(ReadFile(cgroup + "/pids.max"), "7\n");
  EXPECT_EQ(ReadFile(cgroup + "/cgroup.procs"), std::to_string(Pid("m")) + "\n");
  EXPECT_THAT(
      RunJailer(Arguments("n", {"--cgroup", "pids.max=many", "--parent-cgroup", parent})).text,
      HasSubstr("--cgroup pids.max=many"));
  ::kill(Pid("m"), SIGKILL);
  for (const char* id : {"m", "n"}) {
    const Words words = {
        "--cleanup",       "--id", id, "--exec-file", inmate_, "--chroot-base-dir", base_,
        "--parent-cgroup", parent};
    while (RunJailer(words).status != 0) {
    }
    EXPECT_FALSE(Exists(pids + "/" + parent + "/" + id));
  }
  EXPECT_EQ(::rmdir((pids + "/" + parent).c_str()), 0);
}

TEST_F(JailTest, OneMachinesUserCannotReadAnothersFiles) {
  ASSERT_EQ(RunJailer(Arguments("m")).status, 0);
  const std::string root = Machine("m") + "/root";
  WriteFile(root + "/disk", "secret");
  const pid_t other = ::fork();
  if (other == 0) {
    if (::setgid(61299) < 0 || ::setuid(61299) < 0) ::_exit(2);
    const bool reads = ::open((root + "/disk").c_str(), O_RDONLY) >= 0 ||
                       ::open(root.c_str(), O_RDONLY) >= 0 ||
                       ::open((Machine("m") + "/lock").c_str(), O_RDONLY) >= 0;
    const bool writes = ::mkdir((Machine("m") + "/x").c_str(), 0700) == 0;
    ::_exit(reads || writes ? 1 : 0);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(other, &status, 0), other);
  EXPECT_EQ(status, 0);
}

TEST_F(JailTest, WhatAMachineLeftInItsJailLeadsTheNextJailerNowhere) {
  ASSERT_EQ(RunJailer(Arguments("m")).status, 0);
  const std::string root = Machine("m") + "/root";
  const std::string outside = directory_ / "outside";
  std::filesystem::create_directory(outside);
  std::filesystem::remove_all(root + "/dev");
  std::filesystem::create_directory_symlink(outside, root + "/dev");
  EXPECT_THAT(RunJailer(Arguments("m")).text, HasSubstr("dev"));
  EXPECT_TRUE(std::filesystem::is_empty(outside));
  std::filesystem::remove(root + "/dev");
  std::filesystem::create_directory(root + "/dev");
  std::filesystem::create_symlink(outside + "/file", root + "/dev/kvm");
  std::filesystem::remove(root + "/inmate.pid");
  std::filesystem::create_symlink(outside + "/file", root + "/inmate.pid");
  EXPECT_EQ(RunJailer(Arguments("m")).status, 0);
  EXPECT_TRUE(std::filesystem::is_empty(outside));
  EXPECT_EQ(CleanUp("m").status, 0);
}

}  // namespace
}  // namespace ember::jailer
