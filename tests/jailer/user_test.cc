// Without root.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "tests/jailer/jailer_program.h"

namespace ember::jailer {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uid_t kUser = 61236;

class UserTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to become a user of no privilege";
    ASSERT_EQ(::mkdir(base_.c_str(), 0755), 0);
    ASSERT_EQ(::chown(base_.c_str(), kUser, kUser), 0);
    if (RunJailer(Arguments(), kUser).text.find("the kernel refuses") != std::string::npos) {
      GTEST_SKIP() << "the kernel refuses user namespaces";
    }
  }

  Words Arguments(const Words& more = {}) const {
    return Words{"--id=m", "--exec-file", inmate_, "--chroot-base-dir", base_} +
           (more.empty() ? Words{"--uid=61236", "--gid=61236"} : more);
  }

  TemporaryDirectory directory_;
  std::string base_ = directory_ / "base";
  std::string inmate_ = InmateIn(directory_);
};

TEST_F(UserTest, AUserGetsAJailToo) {
  const Output seen = RunJailer(Arguments(), kUser);
  ASSERT_EQ(seen.status, 0) << seen.text;
  EXPECT_EQ(seen.Value("uids"), "61236 61236 61236");
  EXPECT_EQ(seen.Value("capabilities"), "0 0 0");
  EXPECT_EQ(seen.Value("bounding"), "0");
  EXPECT_EQ(seen.Value("no_new_privs"), "1");
  EXPECT_EQ(seen.Value("passwd"), "2");
  EXPECT_EQ(seen.Value("mount"), "1");
  EXPECT_EQ(seen.Value("urandom"), "0");  // the host's, mounted
  EXPECT_THAT(seen.Values("environment"), IsEmpty());
  EXPECT_THAT(seen.text, HasSubstr("ember-jailer: without root: the machine runs as the caller"));
}

TEST_F(UserTest, WhatNeedsRootIsAnErrorIfAskedFor) {
  EXPECT_THAT(RunJailer(Arguments({"--uid=1", "--gid=61236"}), kUser).text,
              HasSubstr("--uid 1 needs root"));
  EXPECT_THAT(RunJailer(Arguments({"--uid=61236", "--gid=1"}), kUser).text,
              HasSubstr("--gid 1 needs root"));
  EXPECT_THAT(
      RunJailer(Arguments({"--uid=61236", "--gid=61236", "--netns=/proc/1/ns/net"}), kUser).text,
      HasSubstr("--netns needs root"));
  const Output cgroup =
      RunJailer(Arguments({"--uid=61236", "--gid=61236", "--cgroup=cpu.shares=2"}), kUser);
  EXPECT_EQ(cgroup.status, 1);
}

TEST_F(UserTest, AUserCleansUpAndNothingIsLeft) {
  ASSERT_EQ(RunJailer(Arguments({"--uid=61236", "--gid=61236", "--new-pid-ns"}), kUser).status, 0);
  const Words clean = {"--cleanup", "--id=m", "--exec-file", inmate_, "--chroot-base-dir", base_};
  Output cleaned = RunJailer(clean, kUser);
  while (cleaned.status != 0 && cleaned.text.find("lives") != std::string::npos) {
    cleaned = RunJailer(clean, kUser);
  }
  EXPECT_EQ(cleaned.status, 0) << cleaned.text;
  EXPECT_FALSE(Exists(base_ + "/inmate/m"));
}

TEST_F(UserTest, ABaseThatIsNotTheUsersIsNamed) {
  const Output output = RunJailer({"--id=m", "--exec-file", inmate_, "--uid=61236", "--gid=61236",
                                   "--chroot-base-dir", directory_ / "other"},
                                  kUser);
  EXPECT_EQ(output.status, 1);
  EXPECT_THAT(output.text, HasSubstr("--chroot-base-dir"));
}

}  // namespace
}  // namespace ember::jailer
