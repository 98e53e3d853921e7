#include "vmm/snapshot/page_fault_handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/concat.h"
#include "base/unix_socket.h"
#include "memory/user_faults.h"
#include "tests/base/temporary_directory.h"
#include "tests/memory/page_deliverer.h"

namespace ember::vmm {
namespace {

using std::chrono::milliseconds;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr GuestRange kLow{GuestAddress{0}, 0x10'0000};
constexpr GuestRange kHigh{GuestAddress{0x1'0000'0000}, 0x20'0000};
constexpr GuestRange kSpace{GuestAddress{0x2'0000'0000}, 0x40'0000};

std::string Fault(const Status& status) { return status ? "" : status.error().message(); }

std::unique_ptr<GuestMemory> MakeMemory() {
  return *GuestMemory::Create({kLow, kHigh}, {.pluggable = PluggableMemory::Options{
                                                  .range = kSpace, .block_bytes = 0x20'0000}});
}

// What a handler gets.
struct Message {
  std::string text;
  Fd faults;
};
Message Receive(const Fd& client) {
  Message received;
  std::array<char, 4096> text{};
  iovec piece{.iov_base = text.data(), .iov_len = text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(4 * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t count = ::recvmsg(client.get(), &message, MSG_CMSG_CLOEXEC);
  if (count < 0) return received;
  received.text.assign(text.data(), static_cast<size_t>(count));
  const cmsghdr* const part = CMSG_FIRSTHDR(&message);
  if (part == nullptr || part->cmsg_len != CMSG_LEN(sizeof(int))) return received;
  int number = -1;
  std::memcpy(&number, CMSG_DATA(part), sizeof(number));
  received.faults = Fd(number);
  return received;
}

class PageFaultHandlerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const Result<UserFaults> allowed = UserFaults::Begin(*MakeMemory());
    if (!allowed) GTEST_SKIP() << "NOT RUN: " << allowed.error().message();
  }
  Result<PageFaultHandler> Engage() { return PageFaultHandler::Engage(path_, *memory_); }
  std::string EngageFault() {
    const auto engaged = Engage();
    return engaged ? "" : engaged.error().message();
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.Path("handler");
  const std::unique_ptr<GuestMemory> memory_ = MakeMemory();
};

TEST(DescribeMemoryTest, SaysOfEachPieceWhereItIsHereAndInTheFile) {
  const auto memory = MakeMemory();
  const auto entry = [](const std::byte* host, uint64_t size, uint64_t offset) {
    return Concat(R"({"base_host_virt_addr":)", reinterpret_cast<uintptr_t>(host), R"(,"size":)",
                  size, R"(,"offset":)", offset, R"(,"page_size":4096,"page_size_kib":4096})");
  };
  EXPECT_EQ(DescribeMemory(*memory),
            Concat("[", entry(memory->regions()[0].host, 0x10'0000, 0), ",",
                   entry(memory->regions()[1].host, 0x20'0000, 0x10'0000), ",",
                   entry(memory->pluggable()->host(), 0x40'0000, 0x30'0000), "]"));
}

TEST_F(PageFaultHandlerTest, GetsOneMessageWithTheDescriptor) {
  const auto listener = UnixListener::Bind(path_);
  ASSERT_TRUE(listener);
  const auto handler = Engage();
  ASSERT_TRUE(handler) << handler.error().message();
  const Fd client = *listener->Accept();
  const Message message = Receive(client);
  EXPECT_EQ(message.text, DescribeMemory(*memory_));
  const std::string link = Concat("/proc/self/fd/", message.faults.get());
  EXPECT_EQ(std::filesystem::read_symlink(link).string(), "anon_inode:[userfaultfd]");
  const PageDeliverer deliverer(message.faults.get(), std::byte{7});
  EXPECT_EQ(Fault(handler->AwaitPage(*memory_, kHigh.start)), "");
  EXPECT_EQ(*memory_->Read<uint8_t>(kHigh.start), 7);
  EXPECT_EQ(Receive(client).text, "") << "nothing follows";
}

TEST_F(PageFaultHandlerTest, ThatIsNotThereIsNamed) {
  EXPECT_THAT(EngageFault(), StartsWith(Concat("page-fault handler at ", path_, ": connect ")));
  EXPECT_THAT(EngageFault(), EndsWith("No such file or directory"));
}

TEST_F(PageFaultHandlerTest, ThatRefusesIsNamed) {
  directory_.Write("handler", "");
  EXPECT_THAT(EngageFault(), HasSubstr("Connection refused"));
}

TEST_F(PageFaultHandlerTest, ThatDeliversNothingIsWaitedForSoLongAndNoLonger) {
  const auto listener = UnixListener::Bind(path_);
  ASSERT_TRUE(listener);
  const auto handler = Engage();
  ASSERT_TRUE(handler);
  EXPECT_EQ(Fault(handler->AwaitPage(*memory_, kLow.start, {.first_page = milliseconds(30)})),
            Concat("page-fault handler at ", path_, ": it delivered no page within 30 ms"));
}

TEST_F(PageFaultHandlerTest, ThatEndsTheConnectionIsSoonGivenUp) {
  std::optional<UnixListener> listener(*UnixListener::Bind(path_));
  const auto handler = Engage();
  ASSERT_TRUE(handler);
  listener.reset();
  EXPECT_EQ(
      Fault(
          handler->AwaitPage(*memory_, kLow.start,
                             {.first_page = milliseconds(60'000), .after_end = milliseconds(10)})),
      Concat("page-fault handler at ", path_, ": it ended the connection and delivered no page"));
}

// A handler may be done with the connection once it has the message.
TEST_F(PageFaultHandlerTest, ThatEndsTheConnectionAndDeliversIsTaken) {
  const auto listener = UnixListener::Bind(path_);
  ASSERT_TRUE(listener);
  const auto handler = Engage();
  ASSERT_TRUE(handler);
  const Message message = Receive(*listener->Accept());
  const PageDeliverer deliverer(message.faults.get(), std::byte{7});
  EXPECT_EQ(Fault(handler->AwaitPage(*memory_, kLow.start)), "");
}

}  // namespace
}  // namespace ember::vmm
