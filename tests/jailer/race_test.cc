// Somebody who can write in a jail swaps what our paths lead over while we work there.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>

#include "jailer/directory.h"
#include "jailer/executable.h"
#include "tests/jailer/jailer_program.h"

namespace ember::jailer {
namespace {

// Exchanges two names as fast as it can.
class Swapper {
 public:
  Swapper(std::string one, std::string other)
      : one_(std::move(one)), other_(std::move(other)), thread_([this] { Run(); }) {}
  ~Swapper() {
    stop_.store(true, std::memory_order_relaxed);
    thread_.join();
  }
  Swapper(const Swapper&) = delete;
  Swapper& operator=(const Swapper&) = delete;

 private:
  void Run() {
    while (!stop_.load(std::memory_order_relaxed)) {
      ::renameat2(AT_FDCWD, one_.c_str(), AT_FDCWD, other_.c_str(), RENAME_EXCHANGE);
    }
  }

  std::string one_;
  std::string other_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

class RaceTest : public ::testing::Test {
 protected:
  RaceTest() {
    std::filesystem::create_directories(temporary_ / "jail");
    std::filesystem::create_directories(temporary_ / "outside/sub");
    WriteFile(temporary_ / "outside/file", "kept");
    WriteFile(temporary_ / "outside/sub/file", "kept");
    EXPECT_EQ(::chmod((temporary_ / "outside/file").c_str(), 0640), 0);
    EXPECT_EQ(::chmod((temporary_ / "outside").c_str(), 0755), 0);
  }

  // Nothing outside the jail has changed.
  void ExpectOutsideUntouched() {
    EXPECT_EQ(ReadFile(temporary_ / "outside/file"), "kept");
    EXPECT_EQ(ReadFile(temporary_ / "outside/sub/file"), "kept");
    struct stat info {};
    ASSERT_EQ(::stat((temporary_ / "outside/file").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0640U);
    EXPECT_EQ(info.st_uid, ::geteuid());
    ASSERT_EQ(::stat((temporary_ / "outside").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0755U);
    const std::filesystem::directory_iterator entries(temporary_ / "outside");
    EXPECT_EQ(std::distance(begin(entries), end(entries)), 2);
  }

  TemporaryDirectory temporary_;
  const int rounds_ = Rounds(2'000, 100'000);
  const Owner owner_{::geteuid() == 0 ? 1234U : ::geteuid(), ::getegid()};
};

TEST_F(RaceTest, ADirectorySwappedForASymbolicLinkIsNotWorkedThrough) {
  const Directory jail = *Directory::OpenPath(temporary_ / "jail");
  ASSERT_TRUE(jail.Make("dev", 0700));
  ASSERT_EQ(::symlink((temporary_ / "outside").c_str(), (jail.path() + "/evil").c_str()), 0);
  int worked = 0;
  {
    const Swapper swapper(jail.path() + "/dev", jail.path() + "/evil");
    for (int round = 0; round < rounds_; ++round) {
      const Result<Directory> dev = jail.Make("dev", 0700);
      if (!dev) continue;
      ++worked;
      ASSERT_TRUE(dev->Seize());
      ASSERT_TRUE(dev->Remove("made"));
      ASSERT_TRUE(dev->CreateFile("made", 0600));
      ASSERT_TRUE(dev->GiveTo(owner_, 0700));
    }
  }
  ExpectOutsideUntouched();
  EXPECT_GT(worked, 0);
}

TEST_F(RaceTest, AProgramSwappedForALinkDoesNotReachWhatItPointsTo) {
  const Directory jail = *Directory::OpenPath(temporary_ / "jail");
  const Fd program = *OpenExecutable(EMBER_INMATE);
  WriteFile(jail.path() + "/vmm", "old");
  ASSERT_EQ(::symlink((temporary_ / "outside/file").c_str(), (jail.path() + "/soft").c_str()), 0);
  ASSERT_EQ(::link((temporary_ / "outside/file").c_str(), (jail.path() + "/hard").c_str()), 0);
  {
    const Swapper soft(jail.path() + "/vmm", jail.path() + "/soft");
    const Swapper hard(jail.path() + "/vmm", jail.path() + "/hard");
    // An error, or a copy: all that matters is that it stays in the jail.
    for (int round = 0; round < rounds_; ++round) {
      (void)CopyExecutable(program, jail, "vmm", owner_);
    }
  }
  ExpectOutsideUntouched();
}

TEST_F(RaceTest, ADeviceSwappedForAnotherFileGivesNothingAway) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to make device nodes";
  const Directory jail = *Directory::OpenPath(temporary_ / "jail");
  ASSERT_EQ(::link((temporary_ / "outside/file").c_str(), (jail.path() + "/evil").c_str()), 0);
  {
    const Swapper swapper(jail.path() + "/null", jail.path() + "/evil");
    for (int round = 0; round < rounds_; ++round) {
      ASSERT_TRUE(jail.Remove("null"));
      (void)jail.MakeNode("null", 0x103, owner_);
      (void)::link((temporary_ / "outside/file").c_str(), (jail.path() + "/evil").c_str());
    }
  }
  ExpectOutsideUntouched();
}

TEST_F(RaceTest, RemovingATreeThatChangesRemovesNothingOutside) {
  const Directory jail = *Directory::OpenPath(temporary_ / "jail");
  ASSERT_EQ(::symlink((temporary_ / "outside").c_str(), (jail.path() + "/evil").c_str()), 0);
  {
    const Swapper swapper(jail.path() + "/root/x", jail.path() + "/evil");
    for (int round = 0; round < rounds_; ++round) {
      const Result<Directory> root = jail.Make("root", 0700);
      if (root) {
        (void)root->Make("x", 0700);
        (void)root->Make("y", 0700);
      }
      (void)jail.RemoveTree("root");
      (void)::symlink((temporary_ / "outside").c_str(), (jail.path() + "/evil").c_str());
    }
  }
  ExpectOutsideUntouched();
}

}  // namespace
}  // namespace ember::jailer
