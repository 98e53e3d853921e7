#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/concat.h"
#include "base/fd.h"
#include "base/socket_message.h"
#include "base/unix_socket.h"
#include "tests/api/api_fixture.h"
#include "vmm/fork/handed_machine.h"

// Forks' endpoints, that of the machine and that of who waits for one, over the socket.
namespace ember::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ForkEndpointTest : public ServedApiTest {
 protected:
  // A request with descriptors beside it, and its answer's first bytes.
  std::string CallWith(const std::vector<int>& descriptors, std::string_view path,
                       std::string_view body = "{}") {
    const Fd socket = *ConnectUnix(socket_path());
    const std::string request = RequestBytes("PUT", path, body);
    EXPECT_TRUE(SendMessage(socket, std::as_bytes(std::span(request)), descriptors));
    return FirstBytes(socket);
  }
  static std::string FirstBytes(const Fd& socket) {
    pollfd readable{.fd = socket.get(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&readable, 1, 20'000), 1);
    std::array<char, 4096> bytes;
    const ssize_t count = ::recv(socket.get(), bytes.data(), bytes.size(), 0);
    return {bytes.data(), count < 0 ? 0 : static_cast<size_t>(count)};
  }
  // Whether all but us have closed the other end of a pair.
  static bool IsClosed(const Fd& end) {
    pollfd gone{.fd = end.get(), .events = 0, .revents = 0};
    return ::poll(&gone, 1, 20'000) == 1 && (gone.revents & POLLHUP) != 0;
  }
  static std::array<Fd, 2> Pair() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    return {Fd(ends[0]), Fd(ends[1])};
  }

  const Fd file_ = *vmm::SealedFile(std::array<std::byte, 1>{});
};

TEST_F(ForkEndpointTest, AMachineThatComesAsDescriptorsIsMade) {
  const std::vector<int> both = {file_.get(), file_.get()};
  EXPECT_THAT(CallWith(both, "/fork/receive"), HasSubstr("HTTP/1.1 204"));
  EXPECT_THAT(room_.events(), ElementsAre("restore "));
  EXPECT_THAT(State(), HasSubstr("Running"));
  EXPECT_THAT(CallWith(both, "/fork/receive"), HasSubstr("after starting"));
}

TEST_F(ForkEndpointTest, WithoutDescriptorsThereIsNone) {
  EXPECT_THAT(Call("PUT", "/fork/receive", "{}").body, HasSubstr("2 descriptors"));
  EXPECT_THAT(CallWith({file_.get()}, "/fork/receive"), HasSubstr("not 1"));
  EXPECT_THAT(CallWith(std::vector<int>(3, file_.get()), "/fork/receive"), HasSubstr("not 3"));
  EXPECT_THAT(CallWith({file_.get(), file_.get()}, "/fork/receive", R"({"snapshot_path":"x"})"),
              HasSubstr("unknown field"));
  EXPECT_THAT(room_.events(), ElementsAre());
}

TEST_F(ForkEndpointTest, DescriptorsThatNobodyTakesAreClosedWithTheirRequest) {
  auto [ours, theirs] = Pair();
  const Fd socket = *ConnectUnix(socket_path());
  const std::string request = RequestBytes("PUT", "/logger", R"({"level":"Info"})");
  ASSERT_TRUE(SendMessage(socket, std::as_bytes(std::span(request)), std::array{theirs.get()}));
  theirs.Reset();
  EXPECT_THAT(FirstBytes(socket), HasSubstr("204"));
  EXPECT_TRUE(IsClosed(ours));
}

// Before their request has an end.
TEST_F(ForkEndpointTest, AProcessWithAMachineKeepsNoDescriptors) {
  StartMachine();
  auto [ours, theirs] = Pair();
  const Fd socket = *ConnectUnix(socket_path());
  ASSERT_TRUE(SendMessage(socket, std::as_bytes(std::span<const char>("PUT", 3)),
                          std::array{theirs.get()}));
  theirs.Reset();
  EXPECT_TRUE(IsClosed(ours));
}

TEST_F(ForkEndpointTest, AClientHoldsNoMoreThanOneMessagesDescriptors) {
  auto [ours, theirs] = Pair();
  const Fd socket = *ConnectUnix(socket_path());
  ASSERT_TRUE(SendMessage(socket, std::as_bytes(std::span<const char>("PUT", 3)),
                          std::array{theirs.get()}));
  theirs.Reset();
  ASSERT_TRUE(
      SendMessage(socket, std::as_bytes(std::span<const char>(" /", 2)), std::array{file_.get()}));
  EXPECT_TRUE(IsClosed(ours));
}

TEST_F(ForkEndpointTest, TheAnswerHasEachClone) {
  StartMachine();
  const std::string path = directory_.Path("absent");
  const auto reply =
      Call("PUT", "/fork", Concat(R"({"clones":[{"socket_path":")", path, R"("}]})"));
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(reply.body, HasSubstr(R"({"preparation_us":)"));
  EXPECT_THAT(reply.body, HasSubstr(Concat(R"("clones":[{"socket_path":")", path,
                                           R"(","error":"connect )", path)));
}

TEST_F(ForkEndpointTest, AMachineThatIsNotThereIsNotForked) {
  EXPECT_THAT(Call("PUT", "/fork", R"({"clones":[{"socket_path":"a"}]})").body,
              HasSubstr("before starting"));
}

}  // namespace
}  // namespace ember::api
