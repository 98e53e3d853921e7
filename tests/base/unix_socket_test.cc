#include "base/unix_socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>

#include "tests/base/temporary_directory.h"

namespace ember::testing {
namespace {

TEST(UnixListenerTest, AcceptsWhoConnects) {
  const TemporaryDirectory directory;
  const auto listener = UnixListener::Bind(directory.Path("v.sock"));
  ASSERT_TRUE(listener);
  EXPECT_EQ(listener->Accept().error().error_number(), EAGAIN);
  const auto client = ConnectUnix(directory.Path("v.sock"));
  ASSERT_TRUE(client);
  const auto accepted = listener->Accept();
  ASSERT_TRUE(accepted);
  char byte = 0;
  EXPECT_EQ(::write(client->get(), "x", 1), 1);
  EXPECT_EQ(::read(accepted->get(), &byte, 1), 1);
  EXPECT_EQ(byte, 'x');
  EXPECT_EQ(::read(accepted->get(), &byte, 1), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST(UnixListenerTest, NamesThePathThatIsTaken) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("v.sock", "a file");
  const auto listener = UnixListener::Bind(path);
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().message(), "bind " + path + ": Address already in use");
  EXPECT_EQ(TemporaryDirectory::Read(path), "a file");
}

TEST(UnixListenerTest, RefusesAPathThatFitsNoAddress) {
  const TemporaryDirectory directory;
  std::string path = directory.Path("");
  path.resize(107, 'x');
  EXPECT_TRUE(UnixListener::Bind(path));
  path += 'x';
  const auto listener = UnixListener::Bind(path);
  ASSERT_FALSE(listener);
  EXPECT_NE(listener.error().message().find("has 108 bytes, which exceeds the limit 107"),
            std::string::npos);
  EXPECT_FALSE(UnixListener::Bind(""));
}

TEST(UnixListenerTest, RemovesItsPathAtItsEnd) {
  const TemporaryDirectory directory;
  const std::string path = directory.Path("v.sock");
  {
    auto first = UnixListener::Bind(path);
    ASSERT_TRUE(first);
    const UnixListener moved = *std::move(first);
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(UnixListenerTest, LeavesWhatSomebodyElsePutAtItsPath) {
  const TemporaryDirectory directory;
  const std::string path = directory.Path("v.sock");
  {
    const auto listener = UnixListener::Bind(path);
    ASSERT_TRUE(listener);
    std::filesystem::rename(path, directory.Path("away"));
    directory.Write("v.sock", "a file");
  }
  EXPECT_EQ(TemporaryDirectory::Read(path), "a file");
}

TEST(ConnectUnixTest, SaysWhoDoesNotListen) {
  const TemporaryDirectory directory;
  EXPECT_EQ(ConnectUnix(directory.Path("none")).error().error_number(), ENOENT);
  EXPECT_EQ(ConnectUnix(directory.Write("file", "")).error().error_number(), ECONNREFUSED);
  EXPECT_FALSE(ConnectUnix(std::string(200, 'x')));
}

TEST(ConnectUnixTest, DoesNotWaitForAFullBacklog) {
  const TemporaryDirectory directory;
  const auto listener = UnixListener::Bind(directory.Path("v.sock"));
  ASSERT_TRUE(listener);
  ASSERT_EQ(::listen(listener->fd().get(), 0), 0);
  const auto first = ConnectUnix(directory.Path("v.sock"));
  ASSERT_TRUE(first);
  EXPECT_EQ(ConnectUnix(directory.Path("v.sock")).error().error_number(), EAGAIN);
}

TEST(IsHungUpTest, IsTrueOnceTheOtherEndIsClosedAndNotOnlyShutDown) {
  std::array<int, 2> fds{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
  const Fd here(fds[0]);
  Fd there(fds[1]);
  EXPECT_FALSE(IsHungUp(here));
  ASSERT_EQ(::shutdown(there.get(), SHUT_WR), 0);
  EXPECT_FALSE(IsHungUp(here));
  there.Reset();
  EXPECT_TRUE(IsHungUp(here));
}

}  // namespace
}  // namespace ember::testing
