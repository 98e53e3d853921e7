#include "devices/serial_input.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <functional>
#include <string>

#include "devices/console_fd.h"
#include "tests/base/temporary_directory.h"
#include "tests/devices/pipe_ends.h"
#include "tests/devices/serial_guest.h"

namespace ember {
namespace {

class SerialInputTest : public ::testing::Test {
 protected:
  void SetUp() override {
    guest_.EnableFifo();
    guest_.RaiseRts();
  }

  std::unique_ptr<SerialInput> Input(Fd fd) {
    auto input = SerialInput::Create(*loop_, std::move(fd), guest_.port);
    EMBER_CHECK(input.has_value());
    return *std::move(input);
  }

  // Runs the loop, and `turn` between its callbacks, until `turn` gives true; once a test. Both
  // ends of the port are on this thread, so a turn stands for what a vCPU does in the meantime.
  void RunUntil(std::function<bool(int turn)> turn) {
    int turns = 0;
    std::function<void()> again = [&] {
      if (turn(++turns)) return loop_->Stop();
      loop_->Post(again);
    };
    loop_->Post(again);
    loop_->Run();
  }

  // By this turn all that was ready at the first has run.
  static constexpr int kSettled = 50;

  SerialGuest guest_;
  const std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  PipeEnds pipe_ = PipeEnds::Create();
};

TEST_F(SerialInputTest, WhatIsTypedReachesTheGuest) {
  const auto input = Input(std::move(pipe_.reader));
  ASSERT_EQ(pipe_.Write("ls\n"), 3u);
  std::string seen;
  RunUntil([&](int) { return (seen += guest_.ReadAll()).size() == 3; });
  EXPECT_EQ(seen, "ls\n");
  EXPECT_FALSE(input->ended());
}

TEST_F(SerialInputTest, AGuestThatDoesNotReadLeavesTheRestInThePipe) {
  const auto input = Input(std::move(pipe_.reader));
  const std::string sent(5000, 'x');
  ASSERT_EQ(pipe_.Write(sent), sent.size());
  std::string seen;
  RunUntil([&](int turn) {
    if (turn < kSettled) return false;
    if (turn == kSettled) {
      EXPECT_EQ(input->metrics().read_bytes.value(), Serial::kReceiveFifoBytes);
    }
    return (seen += guest_.ReadAll()).size() == sent.size();
  });
  EXPECT_EQ(seen, sent);
}

TEST_F(SerialInputTest, WhatIsTypedBeforeTheGuestListensIsNotLost) {
  guest_.Set(UART_MCR, 0);
  const auto input = Input(std::move(pipe_.reader));
  ASSERT_EQ(pipe_.Write("early"), 5u);
  std::string seen;
  RunUntil([&](int turn) {
    if (turn < kSettled) return false;
    if (turn == kSettled) {
      EXPECT_EQ(input->metrics().read_bytes.value(), 0u);
      guest_.Set(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);  // a driver's beginning
      guest_.Set(UART_IER, UART_IER_RDI);
    }
    return (seen += guest_.ReadAll()).size() == 5;
  });
  EXPECT_EQ(seen, "early");
}

TEST_F(SerialInputTest, TheEndOfInputIsSilence) {
  const auto input = Input(std::move(pipe_.reader));
  ASSERT_EQ(pipe_.Write("bye"), 3u);
  pipe_.writer.Reset();
  std::string seen;
  RunUntil([&](int) {
    seen += guest_.ReadAll();
    return input->ended();
  });
  EXPECT_EQ(seen + guest_.ReadAll(), "bye");
  EXPECT_EQ(input->metrics().read_errors.value(), 0u);
}

TEST_F(SerialInputTest, ARegularFileIsReadAsFastAsTheGuestTakesIt) {
  const TemporaryDirectory directory;
  const std::string sent(3000, 'f');
  const std::string path = directory.Write("script", sent);
  auto file = OpenFile(path, Access::kReadOnly);
  ASSERT_TRUE(file.has_value());
  const auto input = Input(*std::move(file));
  std::string seen;
  RunUntil([&](int turn) {
    if (turn < kSettled) return false;
    if (turn == kSettled) {
      EXPECT_EQ(input->metrics().read_bytes.value(), Serial::kReceiveFifoBytes);
    }
    seen += guest_.ReadAll();
    return input->ended();
  });
  EXPECT_EQ(seen + guest_.ReadAll(), sent);
}

TEST_F(SerialInputTest, DevNullIsAnInputThatHasEnded) {
  auto null = OpenFile("/dev/null", Access::kReadOnly);
  ASSERT_TRUE(null.has_value());
  const auto input = Input(*std::move(null));
  RunUntil([&](int) { return input->ended(); });
  EXPECT_FALSE(guest_.DataReady());
}

TEST_F(SerialInputTest, ASocketWorksToo) {
  std::array<int, 2> fds{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
  const PipeEnds socket{Fd(fds[0]), Fd(fds[1])};
  auto end = DuplicateConsoleFd(socket.reader.get(), Access::kReadOnly);
  ASSERT_TRUE(end.has_value());
  const auto input = Input(*std::move(end));
  ASSERT_EQ(socket.Write("socket"), 6u);
  std::string seen;
  RunUntil([&](int) { return (seen += guest_.ReadAll()).size() == 6; });
  EXPECT_EQ(seen, "socket");
}

TEST_F(SerialInputTest, AReadThatFailsEndsIt) {
  // A directory can be opened but not read.
  auto directory = OpenFile("/", Access::kReadOnly);
  ASSERT_TRUE(directory.has_value());
  const auto input = Input(*std::move(directory));
  RunUntil([&](int) { return input->ended(); });
  EXPECT_EQ(input->metrics().read_errors.value(), 1u);
}

TEST_F(SerialInputTest, ItsEndTakesItAwayFromThePort) {
  guest_.Set(UART_MCR, 0);
  auto input = Input(std::move(pipe_.reader));
  RunUntil([](int turn) { return turn == kSettled; });
  input.reset();
  guest_.RaiseRts();
  EXPECT_EQ(guest_.Type("x"), 1u);
}

}  // namespace
}  // namespace ember
