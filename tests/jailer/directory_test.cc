#include "jailer/directory.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <span>
#include <string>

#include "jailer/executable.h"
#include "tests/jailer/jailer_program.h"

namespace ember::jailer {
namespace {

using ::testing::HasSubstr;

const Owner kSelf{::geteuid(), ::getegid()};

class DirectoryTest : public ::testing::Test {
 protected:
  DirectoryTest() { EXPECT_EQ(::mkdir((temporary_ / "outside").c_str(), 0755), 0); }

  Directory Open() { return *Directory::MakePath(temporary_ / "a/b/jail"); }
  void Link(const char* name, const std::string& target) {
    EXPECT_EQ(::symlink(target.c_str(), (jail_.path() + "/" + name).c_str()), 0);
  }

  TemporaryDirectory temporary_;
  Directory jail_ = Open();
};

TEST_F(DirectoryTest, MakesWhatIsMissingAndOpensWhatIsThere) {
  EXPECT_TRUE(jail_.Make("x", 0700));
  EXPECT_TRUE(jail_.Make("x", 0700));
  EXPECT_TRUE(jail_.Open("x"));
  EXPECT_EQ(jail_.Open("y").error().error_number(), ENOENT);
}

TEST_F(DirectoryTest, FollowsNoLinkAndLeavesByNoPath) {
  Link("link", temporary_ / "outside");
  WriteFile(temporary_ / "outside/file", "secret");
  Link("file", temporary_ / "outside/file");
  EXPECT_THAT(jail_.Make("link", 0700).error().message(), HasSubstr("link"));
  EXPECT_FALSE(jail_.Open("link"));
  EXPECT_FALSE(jail_.Open(".."));
  EXPECT_FALSE(jail_.Open("/tmp"));
  EXPECT_FALSE(jail_.OpenFile("link/file", O_RDONLY));
  EXPECT_FALSE(jail_.OpenFile("file", O_RDONLY));
  EXPECT_FALSE(jail_.OpenFile("../../../outside/file", O_RDONLY));
  EXPECT_FALSE(jail_.CreateFile("file", 0600));
  EXPECT_FALSE(jail_.CreateFile("link/new", 0600));
}

TEST_F(DirectoryTest, RemovesATreeButNotWhatItsLinksPointTo) {
  WriteFile(temporary_ / "outside/file", "kept");
  const Directory tree = *jail_.Make("tree", 0700);
  EXPECT_EQ(::symlinkat((temporary_ / "outside").c_str(), tree.fd(), "link"), 0);
  EXPECT_EQ(::linkat(AT_FDCWD, (temporary_ / "outside/file").c_str(), tree.fd(), "hard", 0), 0);
  EXPECT_TRUE(tree.Make("x", 0)->CreateFile("file", 0));
  EXPECT_TRUE(jail_.RemoveTree("tree"));
  EXPECT_FALSE(Exists(jail_.path() + "/tree"));
  EXPECT_EQ(ReadFile(temporary_ / "outside/file"), "kept");
  EXPECT_TRUE(jail_.RemoveTree("tree"));
  Link("top", temporary_ / "outside");
  EXPECT_FALSE(jail_.RemoveTree("top"));
  EXPECT_EQ(ReadFile(temporary_ / "outside/file"), "kept");
}

TEST_F(DirectoryTest, RemovesATreeOf5000LevelsAndOneOf3000Names) {
  Directory at = *jail_.Make("deep", 0700);
  for (int level = 0; level < 5000; ++level) {
    ASSERT_TRUE(at.CreateFile("file", 0600));
    ASSERT_EQ(::mkdirat(at.fd(), "d", 0700), 0);
    // Paths for errors would grow with the depth.
    const Fd next(::openat(at.fd(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    at = *Directory::OfMount(next, "deep");
  }
  const Directory wide = *jail_.Make("wide", 0700);
  for (int i = 0; i < 3000; ++i) ASSERT_TRUE(wide.CreateFile(std::to_string(i), 0600));
  EXPECT_TRUE(jail_.RemoveTree("deep"));
  EXPECT_TRUE(jail_.RemoveTree("wide"));
  EXPECT_FALSE(Exists(jail_.path() + "/deep"));
}

TEST_F(DirectoryTest, RemovesNamesThatLookLikeItsOwn) {
  const Directory tree = *jail_.Make("tree", 0700);
  EXPECT_TRUE(tree.Make(".removed-0", 0700)->Make(".removed-0", 0700)->Make(".removed-1", 0700));
  EXPECT_TRUE(tree.Make("x", 0700)->Make("y", 0700)->Make("z", 0700));
  EXPECT_TRUE(jail_.RemoveTree("tree"));
  EXPECT_FALSE(Exists(jail_.path() + "/tree"));
}

TEST_F(DirectoryTest, DoesNotRemoveWhatIsMounted) {
  WriteFile(temporary_ / "outside/file", "kept");
  const Directory tree = *jail_.Make("tree", 0700);
  ASSERT_TRUE(tree.Make("mounted", 0700));
  const std::string at = jail_.path() + "/tree/mounted";
  if (::mount((temporary_ / "outside").c_str(), at.c_str(), nullptr, MS_BIND, nullptr) < 0) {
    GTEST_SKIP() << "may not mount";
  }
  EXPECT_THAT(jail_.RemoveTree("tree").error().message(), HasSubstr("mounted"));
  EXPECT_EQ(ReadFile(temporary_ / "outside/file"), "kept");
  EXPECT_EQ(::umount2(at.c_str(), MNT_DETACH), 0);
  EXPECT_TRUE(jail_.RemoveTree("tree"));
}

TEST_F(DirectoryTest, CopiesAProgramInPlaceOfAnOldOneButNotOverLinks) {
  WriteFile(temporary_ / "program", "code");
  WriteFile(temporary_ / "outside/file", "kept");
  const Fd program = *OpenExecutable(temporary_ / "program");
  WriteFile(jail_.path() + "/vmm", "something longer from before");
  ASSERT_TRUE(CopyExecutable(program, jail_, "vmm", kSelf));
  EXPECT_EQ(ReadFile(jail_.path() + "/vmm"), "code");
  EXPECT_EQ(jail_.Stat("vmm")->st_mode, static_cast<mode_t>(S_IFREG | 0500));

  Link("soft", temporary_ / "outside/file");
  EXPECT_THAT(CopyExecutable(program, jail_, "soft", kSelf).error().message(),
              HasSubstr("symbolic link"));
  EXPECT_EQ(::linkat(AT_FDCWD, (temporary_ / "outside/file").c_str(), jail_.fd(), "hard", 0), 0);
  EXPECT_THAT(CopyExecutable(program, jail_, "hard", kSelf).error().message(),
              HasSubstr("has 2 links"));
  EXPECT_EQ(ReadFile(temporary_ / "outside/file"), "kept");
}

TEST_F(DirectoryTest, CopiesFromAnotherFileSystem) {
  const Fd program(::memfd_create("program", MFD_CLOEXEC));
  const std::string code(100'000, 'x');
  ASSERT_TRUE(WriteAll(program, std::as_bytes(std::span(code))));
  ASSERT_EQ(::lseek(program.get(), 0, SEEK_SET), 0);
  const Status copied = CopyExecutable(program, jail_, "vmm", kSelf);
  ASSERT_TRUE(copied) << copied.error().message();
  EXPECT_EQ(ReadFile(jail_.path() + "/vmm"), code);
}

}  // namespace
}  // namespace ember::jailer
