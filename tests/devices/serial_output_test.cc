#include "devices/serial_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <string_view>

#include "devices/console_fd.h"
#include "tests/base/fake_clock.h"
#include "tests/base/temporary_directory.h"
#include "tests/devices/pipe_ends.h"

namespace ember {
namespace {

using std::chrono::milliseconds;

class SerialOutputTest : public ::testing::Test {
 protected:
  void SetUp() override { ::signal(SIGPIPE, SIG_IGN); }  // as the process does

  std::unique_ptr<SerialOutput> Output(Fd fd, const TokenBucketOptions& rate_limit = {}) {
    auto output = SerialOutput::Create(*loop_, std::move(fd), rate_limit, clock_);
    EMBER_CHECK(output.has_value());
    return *std::move(output);
  }

  static void Put(SerialOutput& output, std::string_view text) {
    for (const char byte : text) output.Put(static_cast<std::byte>(byte));
  }

  FakeClock clock_;
  const std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  PipeEnds pipe_ = PipeEnds::Create();
};

TEST_F(SerialOutputTest, APromptWithoutNewlineIsWrittenByTheLoopOnItsOwn) {
  const auto output = Output(std::move(pipe_.writer));
  Put(*output, "login: ");
  auto seen = loop_->WatchReadable(pipe_.reader.get(), [this] { loop_->Stop(); });
  ASSERT_TRUE(seen.has_value());
  loop_->Run();
  EXPECT_EQ(pipe_.ReadAll(), "login: ");
}

TEST_F(SerialOutputTest, BytesThatComeTogetherShareOneWrite) {
  const auto output = Output(std::move(pipe_.writer));
  Put(*output, std::string(1000, 'x'));
  EXPECT_EQ(output->metrics().writes.value(), 0u);
  output->Flush();
  EXPECT_EQ(output->metrics().writes.value(), 1u);
  EXPECT_EQ(output->metrics().written_bytes.value(), 1000u);
  EXPECT_EQ(pipe_.ReadAll().size(), 1000u);
}

TEST_F(SerialOutputTest, EachBurstWakesTheLoopAgain) {
  const auto output = Output(std::move(pipe_.writer));
  std::string seen;
  auto watch = loop_->WatchReadable(pipe_.reader.get(), [&] {
    seen += pipe_.ReadAll();
    if (seen.size() == 5) return loop_->Stop();
    Put(*output, "x");
  });
  ASSERT_TRUE(watch.has_value());
  Put(*output, "x");
  loop_->Run();
  EXPECT_EQ(seen, "xxxxx");
}

TEST_F(SerialOutputTest, AReaderThatNeverReadsCostsBytesAndNothingElse) {
  const auto output = Output(std::move(pipe_.writer));
  // The whole gigabyte takes minutes under the sanitizers.
  const bool full_length = std::getenv("EMBER_LONG_TESTS") != nullptr;
  const uint64_t total = full_length ? 1ull << 30 : 64ull << 20;
  for (uint64_t i = 0; i < total; ++i) {
    output->Put(std::byte{'x'});
    if (i % 4096 == 0) {
      ASSERT_LE(output->buffered_bytes(), SerialOutput::kBufferBytes);
      output->Flush();
    }
  }
  const auto& metrics = output->metrics();
  EXPECT_EQ(output->buffered_bytes(), SerialOutput::kBufferBytes);
  EXPECT_EQ(
      metrics.written_bytes.value() + metrics.dropped_bytes.value() + output->buffered_bytes(),
      total);
  EXPECT_EQ(pipe_.ReadAll().size(), metrics.written_bytes.value());
}

TEST_F(SerialOutputTest, AReaderThatComesBackGetsWhatWasKeptInOrder) {
  const auto output = Output(std::move(pipe_.writer));
  std::string sent;
  for (int i = 0; sent.size() < 100'000; ++i) sent += std::to_string(i) + " ";
  size_t put = 0;
  while (output->buffered_bytes() < SerialOutput::kBufferBytes && put < sent.size()) {
    Put(*output, sent.substr(put, 1000));
    put += std::min<size_t>(1000, sent.size() - put);
    output->Flush();
  }
  std::string seen;
  auto watch = loop_->WatchReadable(pipe_.reader.get(), [&] {
    seen += pipe_.ReadAll();
    if (seen.size() >= sent.size()) loop_->Stop();
  });
  ASSERT_TRUE(watch.has_value());
  loop_->Run();
  EXPECT_EQ(seen, sent);
  EXPECT_EQ(output->metrics().dropped_bytes.value(), 0u);
}

TEST_F(SerialOutputTest, TheRingWrapsWithoutMixingBytes) {
  const auto output = Output(std::move(pipe_.writer));
  std::string sent;
  std::string seen;
  for (int i = 0; i < 300; ++i) {
    const std::string line = std::to_string(i) + std::string(997, static_cast<char>('a' + i % 26));
    sent += line;
    Put(*output, line);
    if (i % 3 == 0) {
      output->Flush();
      Put(*output, "|");
      sent += "|";
      seen += pipe_.ReadAll();
    }
  }
  while (output->buffered_bytes() > 0) {
    output->Flush();
    seen += pipe_.ReadAll();
  }
  EXPECT_EQ(seen, sent);
}

TEST_F(SerialOutputTest, AReaderThatIsGoneCostsBytesOnly) {
  const auto output = Output(std::move(pipe_.writer));
  pipe_.reader.Reset();
  Put(*output, "nobody");
  output->Flush();
  EXPECT_EQ(output->buffered_bytes(), 0u);
  EXPECT_EQ(output->metrics().dropped_bytes.value(), 6u);
  EXPECT_EQ(output->metrics().write_errors.value(), 1u);
  Put(*output, "x");
  output->Flush();
  EXPECT_EQ(output->metrics().write_errors.value(), 2u);
}

TEST_F(SerialOutputTest, TheRateLimitDropsWhatExceedsItAndLetsTheRestThrough) {
  const auto output =
      Output(std::move(pipe_.writer), {.size = 10, .one_time_burst = 5, .refill_time_ms = 1000});
  Put(*output, "0123456789abcdefghij");
  output->Flush();
  EXPECT_EQ(pipe_.ReadAll(), "0123456789abcde");
  EXPECT_EQ(output->metrics().rate_limited_bytes.value(), 5u);
  clock_.Advance(milliseconds(300));
  Put(*output, "ABCDEF");
  output->Flush();
  EXPECT_EQ(pipe_.ReadAll(), "ABC");
  EXPECT_EQ(output->metrics().rate_limited_bytes.value(), 8u);
}

TEST_F(SerialOutputTest, ItsEndWritesWhatIsLeft) {
  auto output = Output(std::move(pipe_.writer));
  Put(*output, "last words");
  output.reset();
  EXPECT_EQ(pipe_.ReadAll(), "last words");
}

TEST_F(SerialOutputTest, DrainingGivesUpOnAReaderThatDoesNotRead) {
  const auto output = Output(std::move(pipe_.writer));
  while (output->buffered_bytes() == 0) {
    Put(*output, std::string(4096, 'x'));
    output->Flush();
  }
  output->Drain(milliseconds(1));
  EXPECT_GT(output->buffered_bytes(), 0u);
  pipe_.ReadAll();
  output->Drain(milliseconds(1));
  EXPECT_EQ(output->buffered_bytes(), 0u);
}

TEST_F(SerialOutputTest, AFileIsCreatedAndThenAppendedTo) {
  const TemporaryDirectory directory;
  const std::string path = directory.Path("console");
  for (const std::string_view text : {"first ", "second"}) {
    auto fd = OpenConsoleOutput(path);
    ASSERT_TRUE(fd.has_value()) << fd.error().message();
    const auto output = Output(*std::move(fd));
    Put(*output, text);
  }
  EXPECT_EQ(TemporaryDirectory::Read(path), "first second");
}

TEST_F(SerialOutputTest, AFifoNeedsNoReaderYet) {
  const TemporaryDirectory directory;
  const std::string path = directory.Path("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  auto fd = OpenConsoleOutput(path);
  ASSERT_TRUE(fd.has_value()) << fd.error().message();
  const auto output = Output(*std::move(fd));
  Put(*output, "kept for later");
  output->Flush();
  pipe_.reader = Fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  EXPECT_EQ(pipe_.ReadAll(), "kept for later");
}

TEST_F(SerialOutputTest, APathThatCannotBeOpenedIsNamed) {
  const TemporaryDirectory directory;
  const auto fd = OpenConsoleOutput(directory.Path("missing/console"));
  ASSERT_FALSE(fd.has_value());
  EXPECT_THAT(fd.error().message(), ::testing::HasSubstr("missing/console"));
}

TEST_F(SerialOutputTest, NonBlockingModeDoesNotSpreadToASharedPipe) {
  ASSERT_EQ(::fcntl(pipe_.writer.get(), F_SETFL, O_WRONLY), 0);
  auto fd = DuplicateConsoleFd(pipe_.writer.get(), Access::kReadWrite);
  ASSERT_TRUE(fd.has_value()) << fd.error().message();
  EXPECT_NE(::fcntl(fd->get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(::fcntl(pipe_.writer.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(SerialOutputTest, ADuplicateOfAFileSharesItsPosition) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("log", "");
  const Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(::write(file.get(), "log ", 4), 4);
  auto fd = DuplicateConsoleFd(file.get(), Access::kReadWrite);
  ASSERT_TRUE(fd.has_value()) << fd.error().message();
  const auto output = Output(*std::move(fd));
  Put(*output, "console");
  output->Flush();
  EXPECT_EQ(TemporaryDirectory::Read(path), "log console");
}

}  // namespace
}  // namespace ember
