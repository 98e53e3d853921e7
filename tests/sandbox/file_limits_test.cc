// Each in a process of its own, which keeps to the limits until it ends.
#include "sandbox/file_limits.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "tests/base/temporary_directory.h"
#include "tests/sandbox/child.h"

namespace ember::sandbox {
namespace {

long Version() {
  return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

class FileLimitsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (Version() < 1) GTEST_SKIP() << "this kernel has no Landlock";
    ASSERT_EQ(::mkdir(folder_.c_str(), 0700), 0);
    for (const std::string& path : {file_, other_}) {
      ASSERT_TRUE(Fd(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0700)).valid());
    }
  }

  // Whether `check` holds in a process that keeps to `rules`.
  static bool HoldsUnder(const std::vector<FileRule>& rules, const std::function<bool()>& check) {
    return HoldsInChild([&] {
      if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return false;
      const Result<FileLimits> limits = FileLimits::Create(rules);
      return limits && limits->in_force() && limits->Enter() && check();
    });
  }

  const TemporaryDirectory directory_;
  const std::string folder_ = directory_.Path("folder");
  const std::string file_ = folder_ + "/file";
  const std::string other_ = directory_.Path("other");
};

bool Opens(const std::string& path, int flags) {
  return Fd(::open(path.c_str(), flags | O_CLOEXEC, 0600)).valid();
}
bool IsRefused(const std::string& path, int flags) {
  return !Opens(path, flags) && errno == EACCES;
}

bool Binds(const std::string& path) {
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  sockaddr common{};
  static_assert(sizeof(common) <= sizeof(address));
  const void* const head = &address;
  return ::bind(fd.get(), static_cast<const sockaddr*>(head), sizeof(address)) == 0;
}

TEST_F(FileLimitsTest, AFileToReadIsNotWritten) {
  EXPECT_TRUE(HoldsUnder({{.path = file_, .use = FileUse::kRead}}, [&] {
    return Opens(file_, O_RDONLY) && IsRefused(file_, O_RDWR) && IsRefused(other_, O_RDONLY);
  }));
}

TEST_F(FileLimitsTest, AFileToWriteIsNotRemoved) {
  EXPECT_TRUE(HoldsUnder({{.path = file_, .use = FileUse::kWrite}}, [&] {
    return Opens(file_, O_RDWR) && ::unlink(file_.c_str()) < 0 && errno == EACCES &&
           IsRefused(folder_ + "/new", O_CREAT | O_RDWR);
  }));
}

TEST_F(FileLimitsTest, AFolderOfSocketsHoldsNoFilesToOpen) {
  const std::string path = folder_ + "/socket";
  EXPECT_TRUE(HoldsUnder({{.path = folder_, .use = FileUse::kSockets}}, [&] {
    return Binds(path) && ::unlink(path.c_str()) == 0 && IsRefused(file_, O_RDONLY) &&
           IsRefused(folder_ + "/new", O_CREAT | O_RDWR) && !Binds(directory_.Path("socket"));
  }));
}

// As a snapshot's files are.
TEST_F(FileLimitsTest, InAFolderFilesAreMadeRenamedAndRemoved) {
  const std::string made = folder_ + "/new";
  EXPECT_TRUE(HoldsUnder({{.path = folder_, .use = FileUse::kFolder}}, [&] {
    return Opens(made, O_CREAT | O_EXCL | O_RDWR) && Opens(folder_, O_RDONLY | O_DIRECTORY) &&
           ::rename(made.c_str(), file_.c_str()) == 0 && ::unlink(file_.c_str()) == 0 &&
           IsRefused(other_, O_RDONLY) && ::rename(other_.c_str(), file_.c_str()) < 0;
  }));
}

TEST_F(FileLimitsTest, WhereAllMayBeOpenedNothingIsExecutedOrMounted) {
  const std::string made = folder_ + "/new";
  EXPECT_TRUE(HoldsUnder({{.path = "/", .use = FileUse::kFolder}}, [&] {
    if (!Opens(other_, O_RDWR) || !Opens("/proc/self/maps", O_RDONLY)) return false;
    char* const none[] = {nullptr};
    ::execve(file_.c_str(), none, none);
    if (errno != EACCES) return false;
    ::execve("/bin/true", none, none);
    if (errno != EACCES) return false;
    return ::mkdir(made.c_str(), 0700) < 0 && errno == EACCES &&
           ::symlink(file_.c_str(), made.c_str()) < 0 && errno == EACCES &&
           ::mkfifo(made.c_str(), 0600) < 0 && errno == EACCES && ::rmdir(folder_.c_str()) < 0 &&
           errno == EACCES && ::rename(other_.c_str(), made.c_str()) < 0 &&
           ::mount(folder_.c_str(), folder_.c_str(), nullptr, MS_BIND, nullptr) < 0;
  }));
}

TEST_F(FileLimitsTest, TcpIsRefusedWhereTheKernelCan) {
  if (Version() < 4) GTEST_SKIP() << "this kernel's Landlock knows no networks";
  EXPECT_TRUE(HoldsUnder({{.path = "/", .use = FileUse::kFolder}}, [] {
    const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(9);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const void* const head = &address;
    return ::connect(fd.get(), static_cast<const sockaddr*>(head), sizeof(address)) < 0 &&
           errno == EACCES;
  }));
}

TEST_F(FileLimitsTest, WhatIsOpenStaysOpen) {
  const Fd open(::open(other_.c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_TRUE(HoldsUnder({{.path = folder_, .use = FileUse::kRead}}, [&] {
    return ::write(open.get(), "x", 1) == 1 && ::ftruncate(open.get(), 0) == 0 &&
           IsRefused(other_, O_RDONLY);
  }));
}

TEST_F(FileLimitsTest, LaterLimitsOnlyTakeAway) {
  const std::vector<FileRule> all = {{.path = "/", .use = FileUse::kFolder}};
  EXPECT_TRUE(HoldsUnder({{.path = folder_, .use = FileUse::kRead}}, [&] {
    const Result<FileLimits> wider = FileLimits::Create(all);
    return wider && wider->Enter() && IsRefused(other_, O_RDONLY) && IsRefused(file_, O_RDWR);
  }));
}

TEST_F(FileLimitsTest, ARuleForWhatIsNotThereGivesNothing) {
  const std::string absent = folder_ + "/absent";
  EXPECT_TRUE(HoldsUnder({{.path = absent, .use = FileUse::kFolder}},
                         [&] { return IsRefused(absent, O_CREAT | O_RDWR); }));
}

}  // namespace
}  // namespace ember::sandbox
