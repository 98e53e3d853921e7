// Somebody who can write in a jail swaps what our paths lead over while we work there.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>

#include "jailer/directory.h"
#include "jailer/executable.h"
#include "tests/jailer/jailer_program.h"

namespace ember::jailer {
namespace {

// What somebody in the jail does beside us, as fast as he can: puts his link in the place of a name
// and that back again, or in its place while it is not there.
class Attacker {
 public:
  using MakeLink = int (*)(const char* target, const char* path);
  struct Link {
    MakeLink make;
    std::string target;
    std::string path;
  };
  // Counts in `successes` how often his link came to be where the name was.
  Attacker(std::string name, Link link, std::atomic<int64_t>& successes)
      : name_(std::move(name)),
        link_(std::move(link)),
        successes_(successes),
        thread_([this] { Run(); }) {}
  ~Attacker() {
    stop_.store(true, std::memory_order_relaxed);
    thread_.join();
  }
  Attacker(const Attacker&) = delete;
  Attacker& operator=(const Attacker&) = delete;

 private:
  void Run() {
    while (!stop_.load(std::memory_order_relaxed)) {
      const char* const name = name_.c_str();
      const char* const link = link_.path.c_str();
      bool done = ::renameat2(AT_FDCWD, name, AT_FDCWD, link, RENAME_EXCHANGE) == 0;
      if (!done && errno == ENOENT) {
        ::unlink(link);
        link_.make(link_.target.c_str(), link);
        // Not each time: where his link is from the start he has nothing to exchange.
        done = ++missing_ % 64 == 0 &&
               ::renameat2(AT_FDCWD, link, AT_FDCWD, name, RENAME_NOREPLACE) == 0;
      }
      if (done) successes_.fetch_add(1, std::memory_order_relaxed);
    }
  }

  std::string name_;
  Link link_;
  std::atomic<int64_t>& successes_;
  uint64_t missing_ = 0;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

constexpr int64_t kLeast = 10;  // rounds that work, and attacks that succeed

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

  // Counts a round that did its work, or met with what is swapped and refused.
  void Count(bool worked) { ++(worked ? worked_ : refused_); }
  // Until all rounds were had, and the attacker ran beside them. That may take more of them where
  // processors are few.
  bool GoesOn() const {
    const int64_t had = worked_ + refused_;
    const int64_t attacks = attacks_.load(std::memory_order_relaxed);
    return had < rounds_ || (std::min(attacks, worked_) < kLeast && had < 50 * rounds_);
  }

  // Nothing outside the jail has changed, though both sides did what they do.
  void ExpectOutsideUntouched() {
    RecordProperty("worked", static_cast<int>(worked_));
    RecordProperty("refused", static_cast<int>(refused_));
    RecordProperty("attacks", static_cast<int>(attacks_.load(std::memory_order_relaxed)));
    EXPECT_GE(worked_, kLeast);
    EXPECT_GE(attacks_.load(std::memory_order_relaxed), kLeast);
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

  TemporaryDirectory temporary_{PlaceOfManyFiles()};
  const std::string outside_ = temporary_ / "outside";
  const int64_t rounds_ = Rounds(2'000, 100'000);
  int64_t worked_ = 0;
  int64_t refused_ = 0;
  std::atomic<int64_t> attacks_ = 0;
  const Owner owner_{::geteuid() == 0 ? 1234U : ::geteuid(), ::getegid()};
};

TEST_F(RaceTest, ADirectorySwappedForASymbolicLinkIsNotWorkedThrough) {
  const Directory jail = *Directory::OpenPath(temporary_ / "jail");
  ASSERT_TRUE(jail.Make("dev", 0700));
  ASSERT_EQ(::symlink(outside_.c_str(), (jail.path() + "/evil").c_str()), 0);
  {
    const Attacker attacker(jail.path() + "/dev", {::symlink, outside_, jail.path() + "/evil"},
                            attacks_);
    while (GoesOn()) {
      const Result<Directory> dev = jail.Make("dev", 0700);
      Count(dev.has_value());
      if (!dev) continue;
      ASSERT_TRUE(dev->Seize());
      ASSERT_TRUE(dev->Remove("made"));
      ASSERT_TRUE(dev->CreateFile("made", 0600));
      ASSERT_TRUE(dev->GiveTo(owner_, 0700));
    }
  }
  ExpectOutsideUntouched();
}

TEST_F(RaceTest, AProgramSwappedForALinkDoesNotReachWhatItPointsTo) {
  const Directory jail = *Directory::OpenPath(temporary_ / "jail");
  const std::string small = temporary_ / "program";
  WriteFile(small, "a program");
  const Fd program = *OpenExecutable(small);
  const std::string file = outside_ + "/file";
  {
    const std::string name = jail.path() + "/vmm";
    const Attacker soft(name, {::symlink, file, jail.path() + "/soft"}, attacks_);
    const Attacker hard(name, {::link, file, jail.path() + "/hard"}, attacks_);
    // An error, or a copy: all that matters is that it stays in the jail.
    while (GoesOn()) {
      const bool copied = CopyExecutable(program, jail, "vmm", owner_).has_value();
      Count(copied);
      if (!copied) (void)jail.Remove("vmm");  // else what is refused once is so for good
    }
  }
  ExpectOutsideUntouched();
}

TEST_F(RaceTest, ADeviceSwappedForAnotherFileGivesNothingAway) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to make device nodes";
  const Directory jail = *Directory::OpenPath(temporary_ / "jail");
  const std::string file = outside_ + "/file";
  {
    const Attacker attacker(jail.path() + "/null", {::link, file, jail.path() + "/evil"}, attacks_);
    while (GoesOn()) {
      ASSERT_TRUE(jail.Remove("null"));
      Count(jail.MakeNode("null", 0x103, owner_).has_value());
    }
  }
  ExpectOutsideUntouched();
}

TEST_F(RaceTest, RemovingATreeThatChangesRemovesNothingOutside) {
  const Directory jail = *Directory::OpenPath(temporary_ / "jail");
  {
    const Attacker attacker(jail.path() + "/root/x", {::symlink, outside_, jail.path() + "/evil"},
                            attacks_);
    while (GoesOn()) {
      const Result<Directory> root = jail.Make("root", 0700);
      if (root) {
        (void)root->Make("x", 0700);
        (void)root->Make("y", 0700);
      }
      Count(jail.RemoveTree("root").has_value());
    }
  }
  ExpectOutsideUntouched();
}

}  // namespace
}  // namespace ember::jailer
