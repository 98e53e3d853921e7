// A process of the machine's user goes on while its jail is made, run in and removed again and
// again.
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <string>

#include "tests/jailer/jailer_program.h"

namespace ember::jailer {
namespace {

constexpr uid_t kUser = 61234;
constexpr gid_t kGroup = 61235;

// Puts links where the jailer has directories, files and devices, each time it is let: symbolic and
// hard ones by exchange, directories of his own by rename. `root` is the jail's, `outside` what it
// must not reach; he may write to neither but the first. Never returns.
[[noreturn]] void Attack(const std::string& root, const std::string& outside) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::setgroups(0, nullptr) < 0 || ::setgid(kGroup) < 0 || ::setuid(kUser) < 0) ::_exit(1);
  constexpr std::array<const char*, 8> kNames = {"/dev",     "/run",         "/dev/net",
                                                 "/dev/kvm", "/dev/net/tun", "/dev/urandom",
                                                 "/inmate",  "/inmate.pid"};
  const std::string soft = root + "/soft";
  const std::string hard = root + "/hard";
  const std::string moved = root + "/moved";
  while (true) {
    for (const char* name : kNames) {
      const std::string path = root + name;
      (void)::symlink(outside.c_str(), soft.c_str());
      (void)::link((outside + "/file").c_str(), hard.c_str());
      for (const std::string& link : {soft, hard}) {
        // There and back: what the jailer finds is sometimes the one and sometimes the other.
        if (::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, link.c_str(), RENAME_EXCHANGE) < 0)
          continue;
        ::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, link.c_str(), RENAME_EXCHANGE);
      }
      if (::rename(path.c_str(), moved.c_str()) < 0) continue;
      (void)::mkdir(path.c_str(), 0777);
      ::renameat2(AT_FDCWD, moved.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE);
    }
  }
}

class JailerRaceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    std::filesystem::create_directories(outside_ + "/sub");
    WriteFile(outside_ + "/file", "kept");
    WriteFile(outside_ + "/sub/file", "kept");
    // The user's own, so that he may link to it; the group, which he has not, tells a chown.
    ASSERT_EQ(::chown((outside_ + "/file").c_str(), kUser, 0), 0);
    ASSERT_EQ(::chmod((outside_ + "/file").c_str(), 0640), 0);
    attacker_ = ::fork();
    if (attacker_ == 0) Attack(root_, outside_);
  }
  void TearDown() override {
    if (attacker_ > 0) StopAttack();
  }
  void StopAttack() {
    ::kill(attacker_, SIGKILL);
    EXPECT_EQ(::waitpid(attacker_, nullptr, 0), attacker_);
    attacker_ = 0;
  }

  void ExpectOutsideUntouched() const {
    ASSERT_EQ(ReadFile(outside_ + "/file"), "kept");
    ASSERT_EQ(ReadFile(outside_ + "/sub/file"), "kept");
    struct stat info {};
    ASSERT_EQ(::stat((outside_ + "/file").c_str(), &info), 0);
    ASSERT_EQ(info.st_mode & 07777, 0640U);
    ASSERT_EQ(info.st_uid, kUser);
    ASSERT_EQ(info.st_gid, 0U);
    ASSERT_EQ(::stat(outside_.c_str(), &info), 0);
    ASSERT_EQ(info.st_mode & 07777, 0755U);
    ASSERT_EQ(info.st_uid, 0U);
    const std::filesystem::directory_iterator entries(outside_);
    ASSERT_EQ(std::distance(begin(entries), end(entries)), 2);
  }

  TemporaryDirectory directory_{PlaceOfManyFiles()};
  const std::string base_ = directory_ / "base";
  const std::string outside_ = directory_ / "outside";
  const std::string machine_ = base_ + "/inmate/m";
  const std::string root_ = machine_ + "/root";
  const std::string inmate_ = InmateIn(directory_);
  const Words name_ = {"--id=m", "--exec-file", inmate_, "--chroot-base-dir", base_};
  const Words start_ =
      name_ + Words{"--uid", std::to_string(kUser), "--gid", std::to_string(kGroup)};
  pid_t attacker_ = 0;
};

TEST_F(JailerRaceTest, LinksPutInItsWayByTheMachinesUserLeadNoJailerAndNoCleanUpOutside) {
  const int rounds = Rounds(25, 100'000);
  int64_t ran = 0;
  int64_t refused = 0;
  for (int round = 0; round < rounds || (ran * refused == 0 && round < 20 * rounds); ++round) {
    const Output seen = RunJailer(start_);
    ASSERT_TRUE(seen.status == 0 || seen.status == 1) << seen.status << seen.text;
    if (seen.status == 0) {
      ++ran;
      // However it came about, the program is in a jail, and nobody but the machine's user.
      ASSERT_EQ(seen.Value("uids"), "61234 61234 61234") << seen.text;
      ASSERT_EQ(seen.Value("capabilities"), "0 0 0");
      ASSERT_EQ(seen.Value("passwd"), "2");
      ASSERT_EQ(seen.Values("fd").size(), 4U);
    } else {
      ++refused;
    }
    // Nor the next one, after what this one left, or a clean-up that may not have been let finish.
    if (seen.status == 1 || round % 4 == 0) {
      ASSERT_GE(RunJailer(Words{"--cleanup"} + name_).status, 0);
    }
    ASSERT_NO_FATAL_FAILURE(ExpectOutsideUntouched());
  }
  StopAttack();
  const Output cleaned = RunJailer(Words{"--cleanup"} + name_);
  EXPECT_EQ(cleaned.status, 0) << cleaned.text;
  EXPECT_FALSE(Exists(machine_));
  RecordProperty("ran", static_cast<int>(ran));
  RecordProperty("refused", static_cast<int>(refused));
  EXPECT_GT(ran, 0);
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace ember::jailer
