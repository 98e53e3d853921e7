// A jailer, or the machine it became, is killed at any instant; --cleanup leaves nothing of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <random>
#include <string>
#include <thread>

#include "jailer/cgroup_mounts.h"
#include "tests/jailer/jailer_program.h"

namespace ember::jailer {
namespace {

// The machine's cgroups, where a hierarchy has such.
Words CgroupsOf(const std::string& parent) {
  Words paths;
  const auto mounts = ReadCgroupMounts();
  if (!mounts) return paths;
  for (const CgroupMount& mount : *mounts) {
    const std::string path = mount.path + "/" + parent;
    if (std::filesystem::exists(path)) paths.push_back(path);
  }
  return paths;
}

bool HasPidsController() {
  const auto mounts = ReadCgroupMounts();
  if (!mounts) return false;
  for (const CgroupMount& mount : *mounts) {
    for (const std::string& controller : mount.controllers) {
      if (controller == "pids") return true;
    }
  }
  return false;
}

TEST(KillTest, CleanUpLeavesNothingOfAJailerKilledAtAnyInstant) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const TemporaryDirectory directory(PlaceOfManyFiles());
  const std::string inmate = InmateIn(directory);
  const std::string base = directory / "base";
  const std::string parent = std::filesystem::path(directory.path()).filename();
  const std::string mounts = ReadFile("/proc/self/mountinfo");
  const Words name = {"--id=m", "--exec-file",     inmate, "--chroot-base-dir",
                      base,     "--parent-cgroup", parent};
  Words start = name + Words{"--uid=61234", "--gid=61235"};
  if (HasPidsController()) start = start + Words{"--cgroup=pids.max=100"};
  const std::string machine = base + "/inmate/m";
  const std::string output = directory / "output";

  const auto begun = std::chrono::steady_clock::now();
  ASSERT_EQ(RunJailer(start).status, 0);
  const auto whole = std::chrono::steady_clock::now() - begun;
  std::mt19937 random(1);  // NOLINT(bugprone-random-generator-seed, cert-msc51-cpp)
  std::uniform_int_distribution<int64_t> instant(0, whole.count());
  const int rounds = Rounds(100, 10'000);
  int in_jail = 0;
  for (int round = 0; round < rounds; ++round) {
    Words words = start;
    if (round % 2 == 1) words = words + Words{"--new-pid-ns"};
    const pid_t jailer = StartJailer(words + Words{"--", "--stay"}, output);
    std::this_thread::sleep_for(std::chrono::nanoseconds(instant(random)));
    ::kill(jailer, SIGKILL);
    ASSERT_EQ(::waitpid(jailer, nullptr, 0), jailer);
    // In a namespace of its own the machine may live on, and then its pid is known.
    const pid_t pid = static_cast<pid_t>(std::stol("0" + ReadFile(machine + "/root/inmate.pid")));
    if (pid > 1) ++in_jail;
    if (round % 2 == 1 && pid > 1) ::kill(pid, SIGKILL);
    if (round % 3 == 2) {  // the clean-up, too
      const pid_t first = StartJailer(Words{"--cleanup"} + name, output);
      std::this_thread::sleep_for(std::chrono::nanoseconds(instant(random)));
      ::kill(first, SIGKILL);
      ASSERT_EQ(::waitpid(first, nullptr, 0), first);
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    Output cleaned = RunJailer(Words{"--cleanup"} + name);
    while (cleaned.status != 0 && std::chrono::steady_clock::now() < deadline) {
      cleaned = RunJailer(Words{"--cleanup"} + name);
    }
    ASSERT_EQ(cleaned.status, 0) << cleaned.text;
    ASSERT_FALSE(Exists(machine));
    for (const std::string& cgroup : CgroupsOf(parent)) ASSERT_FALSE(Exists(cgroup + "/m"));
  }
  RecordProperty("killed in the jail", in_jail);
  EXPECT_GT(in_jail, 0);
  EXPECT_LT(in_jail, rounds);
  EXPECT_EQ(ReadFile("/proc/self/mountinfo"), mounts);
  for (const std::string& cgroup : CgroupsOf(parent)) EXPECT_EQ(::rmdir(cgroup.c_str()), 0);
}

}  // namespace
}  // namespace ember::jailer
