#include "base/socket_message.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ember {
namespace {

class SocketMessageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    near_ = Fd(ends[0]);
    far_ = Fd(ends[1]);
  }
  Result<size_t> Send(std::string_view text, std::span<const int> descriptors = {}) const {
    return SendMessage(near_, std::as_bytes(std::span(text)), descriptors);
  }
  Result<ReceivedMessage> Receive() { return ReceiveMessage(far_, buffer_); }

  std::array<std::byte, 64> buffer_{};
  Fd near_;
  Fd far_;
};

TEST_F(SocketMessageTest, BytesArrive) {
  EXPECT_EQ(Send("words").value_or(0), 5U);
  const auto got = Receive();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->size_bytes, 5U);
  EXPECT_EQ(buffer_[4], std::byte{'s'});
  EXPECT_TRUE(got->descriptors.empty());
}

TEST_F(SocketMessageTest, DescriptorsArriveAsOnesOfOurOwnThatNoProgramInherits) {
  const Fd event = *CreateEventFd();
  const std::array<int, 2> sent = {event.get(), near_.get()};
  ASSERT_TRUE(Send("x", sent));
  const auto got = Receive();
  ASSERT_TRUE(got);
  ASSERT_EQ(got->descriptors.size(), 2U);
  EXPECT_NE(got->descriptors[0].get(), event.get());
  EXPECT_EQ(::fcntl(got->descriptors[0].get(), F_GETFD), FD_CLOEXEC);
  const uint64_t one = 1;
  EXPECT_EQ(::write(got->descriptors[0].get(), &one, sizeof(one)), 8);
  uint64_t seen = 0;
  EXPECT_EQ(::read(event.get(), &seen, sizeof(seen)), 8);
  EXPECT_EQ(seen, 1U);
}

// By a sender that keeps to no limit of ours.
TEST_F(SocketMessageTest, TooManyDescriptorsAreCutOff) {
  constexpr size_t kSent = kMaxMessageDescriptors + 5;
  std::vector<int> sent(kSent, near_.get());
  char byte = 'x';
  iovec piece{.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kSent * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* const part = CMSG_FIRSTHDR(&message);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(kSent * sizeof(int));
  std::memcpy(CMSG_DATA(part), sent.data(), kSent * sizeof(int));
  ASSERT_EQ(::sendmsg(near_.get(), &message, 0), 1);
  const auto got = Receive();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->descriptors.size(), kMaxMessageDescriptors);
}

TEST_F(SocketMessageTest, DescriptorsThatAreNotWantedAreLeftBehind) {
  std::array<int, 2> pair{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
  const Fd kept(pair[0]);
  Fd sent(pair[1]);
  ASSERT_TRUE(Send("x", std::array{sent.get()}));
  sent.Reset();
  const auto got = ReceiveMessage(far_, buffer_, Descriptors::kLeave);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->size_bytes, 1U);
  EXPECT_TRUE(got->descriptors.empty());
  char byte = 0;
  EXPECT_EQ(::read(kept.get(), &byte, 1), 0) << "nobody has the other end any more";
}

TEST_F(SocketMessageTest, NothingToReceiveIsNoWait) {
  const auto got = Receive();
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().error_number(), EAGAIN);
}

TEST_F(SocketMessageTest, AFullSocketIsNoWait) {
  const std::string much(65536, 'x');
  Result<size_t> sent = Send(much);
  while (sent) sent = Send(much);
  EXPECT_EQ(sent.error().error_number(), EAGAIN);
}

TEST_F(SocketMessageTest, AnEndThatIsGoneIsAnErrorOrTheEnd) {
  near_.Reset();
  const auto got = Receive();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->size_bytes, 0U);
  near_ = std::move(far_);
  EXPECT_EQ(Send("x").error().error_number(), EPIPE);
}

}  // namespace
}  // namespace ember
