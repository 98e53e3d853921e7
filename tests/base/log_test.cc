#include "base/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/thread.h"
#include "tests/base/temporary_directory.h"

namespace ember {
namespace {

using testing::Each;
using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::SizeIs;

std::vector<std::string> SplitLines(const std::string& text) {
  std::vector<std::string> lines;
  size_t at = 0;
  for (size_t end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
    lines.push_back(text.substr(at, end - at));
  }
  if (at < text.size()) lines.push_back(text.substr(at) + " [no newline]");
  return lines;
}

// Everything in a pipe, without waiting.
std::string Drain(int fd) {
  std::string text;
  std::vector<char> buffer(size_t{1} << 16);
  for (ssize_t count = 0; (count = ::read(fd, buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<size_t>(count));
  }
  return text;
}

class LogTest : public testing::Test {
 protected:
  LogTest() {
    ConfigureLog({.level = LogLevel::kInfo, .instance_id = "vm1", .show_level = true});
    EMBER_CHECK(OpenLogFile(path_).has_value());
  }
  std::vector<std::string> Lines() const { return SplitLines(TemporaryDirectory::Read(path_)); }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.Path("log");
};

TEST_F(LogTest, LineHasTimeInstanceThreadLevelAndMessage) {
  Thread::Start("worker", [] { EMBER_LOG(kInfo, "guest memory ", 128, " MiB"); }).value().Join();
  ASSERT_THAT(Lines(), SizeIs(1));
  EXPECT_THAT(Lines()[0], MatchesRegex("20[0-9][0-9]-[0-1][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:"
                                       "[0-6][0-9]\\.[0-9]{9} \\[vm1:worker:INFO\\] guest memory "
                                       "128 MiB"));
}

TEST_F(LogTest, LevelAndOriginAreShownAsConfigured) {
  ConfigureLog({.instance_id = "vm1", .show_level = false, .show_origin = true});
  EMBER_LOG(kError, "first");
  ASSERT_THAT(Lines(), SizeIs(1));
  EXPECT_THAT(Lines()[0], MatchesRegex(".* \\[vm1:.*:tests/base/log_test\\.cc:[0-9]+\\] first"));
  EXPECT_THAT(Lines()[0], Not(HasSubstr("ERROR")));
}

TEST_F(LogTest, LevelAndOriginFollowTheThreadWithinTheBrackets) {
  ConfigureLog({.instance_id = "vm1", .show_level = true, .show_origin = true});
  EMBER_LOG(kWarning, "both");
  EXPECT_THAT(
      Lines(),
      ElementsAre(MatchesRegex(".* \\[vm1:[^:]*:WARN:tests/base/log_test\\.cc:[0-9]+\\] both")));
}

TEST_F(LogTest, ModuleAdmitsItsFilesAndNoOthers) {
  for (const char* const module : {"tests", "tests/base/log", "tests::base::log_test"}) {
    ConfigureLog({.instance_id = "vm1", .module = module});
    EMBER_LOG(kInfo, module);
  }
  for (const char* const module : {"vmm", "tests/api", "tests::base::log_test::more", "::"}) {
    ConfigureLog({.instance_id = "vm1", .module = module});
    EMBER_LOG(kError, "hidden");
  }
  EXPECT_THAT(Lines(), ElementsAre(EndsWith("] tests"), EndsWith("] tests/base/log"),
                                   EndsWith("] tests::base::log_test")));
}

TEST_F(LogTest, HeldBackByTheModuleARecordDoesNotCountAsRateLimited) {
  ConfigureLog({.instance_id = "vm1", .module = "vmm"});
  const uint64_t limited_before = rate_limited_log_lines();
  for (int i = 0; i < 1000; ++i) EMBER_LOG_LIMITED(kWarning, "hidden");
  EXPECT_EQ(rate_limited_log_lines(), limited_before);
}

TEST_F(LogTest, SignalHandlerWritesALineOfItsOwn) {
  struct sigaction action {};
  action.sa_handler = [](int) { LogInSignalHandler({"signal ", "10", " came"}); };
  struct sigaction before {};
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
  errno = EXDEV;
  ASSERT_EQ(::raise(SIGUSR1), 0);
  EXPECT_EQ(errno, EXDEV);
  ASSERT_EQ(::sigaction(SIGUSR1, &before, nullptr), 0);
  EXPECT_THAT(
      Lines(),
      ElementsAre(MatchesRegex("20[0-9-]*T[0-9:]*\\.[0-9]{9} \\[vm1:.*\\] signal 10 came")));
}

TEST_F(LogTest, LongLineOfASignalHandlerIsCut) {
  LogInSignalHandler({std::string(kMaxLogLineBytes, 'x')});
  ASSERT_THAT(Lines(), SizeIs(1));
  EXPECT_EQ(Lines()[0].size() + 1, kMaxSignalLineBytes);
  ConfigureLog({.level = LogLevel::kOff, .instance_id = "vm1"});
  LogInSignalHandler({"hidden"});
  EXPECT_THAT(Lines(), SizeIs(1));
}

TEST_F(LogTest, RecordsBelowTheLevelAreNotWritten) {
  ConfigureLog({.level = LogLevel::kWarning, .instance_id = "vm1", .show_level = true});
  EMBER_LOG(kInfo, "hidden");
  EMBER_LOG(kWarning, "shown");
  EXPECT_THAT(Lines(), ElementsAre(EndsWith(":WARN] shown")));
}

TEST_F(LogTest, OffSilencesErrorsToo) {
  ConfigureLog({.level = LogLevel::kOff, .instance_id = "vm1"});
  EMBER_LOG(kError, "hidden");
  EXPECT_THAT(Lines(), SizeIs(0));
}

TEST_F(LogTest, TextCannotForgeALineOrSteerATerminal) {
  EMBER_LOG(kInfo, std::string_view("a\nb\r\t\x1b[2J\0z\x7f\xc2\x9b-\x9b", 16));
  EXPECT_THAT(Lines(),
              ElementsAre(EndsWith("INFO] a\\x0ab\\x0d\\x09\\x1b[2J\\x00z\\x7f\\xc2\\x9b-\\x9b")));
}

TEST_F(LogTest, OtherUtf8StaysReadable) {
  EMBER_LOG(kInfo, "3 \xc2\xb5s, \xe2\x82\xac");
  EXPECT_THAT(Lines(), ElementsAre(EndsWith("INFO] 3 \xc2\xb5s, \xe2\x82\xac")));
}

TEST_F(LogTest, LongLinesAreCutAtTheLimitAndSaySo) {
  EMBER_LOG(kInfo, std::string(size_t{1} << 20, 'x'));
  EMBER_LOG(kInfo, std::string(size_t{1} << 20, '\n'));
  const std::vector<std::string> lines = Lines();
  ASSERT_THAT(lines, SizeIs(2));
  for (const std::string& line : lines) {
    EXPECT_LE(line.size() + 1, kMaxLogLineBytes);
    EXPECT_GT(line.size(), kMaxLogLineBytes - 16);
    EXPECT_THAT(line, EndsWith(" [cut]"));
  }
}

TEST_F(LogTest, LongInstanceIdLeavesRoomForTheMessage) {
  ConfigureLog({.instance_id = std::string(size_t{1} << 16, 'i'), .show_origin = true});
  EMBER_LOG(kInfo, "still here");
  EXPECT_THAT(Lines(), ElementsAre(EndsWith(" still here")));
}

TEST_F(LogTest, LinesAreAppendedToWhatTheFileHolds) {
  const std::string path = directory_.Write("old", "old line\n");
  ASSERT_TRUE(OpenLogFile(path).has_value());
  EMBER_LOG(kInfo, "new line");
  EXPECT_THAT(SplitLines(TemporaryDirectory::Read(path)),
              ElementsAre("old line", EndsWith("new line")));
}

TEST_F(LogTest, LogThatCannotBeOpenedLeavesTheOldOne) {
  EXPECT_THAT(OpenLogFile(directory_.Path("no/such")).error().message(),
              HasSubstr("no/such: No such file or directory"));
  EMBER_LOG(kInfo, "here");
  EXPECT_THAT(Lines(), SizeIs(1));
}

TEST_F(LogTest, FullFifoLosesWholeLinesAndCountsThem) {
  const std::string path = directory_.Path("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  ASSERT_TRUE(OpenLogFile(path).has_value());  // no reader yet
  constexpr int kLines = 2000;
  const uint64_t lost_before = lost_log_lines();
  for (int line = 0; line < kLines; ++line) {
    EMBER_LOG(kInfo, "line ", line, std::string(100, '.'));
  }
  const uint64_t lost = lost_log_lines() - lost_before;
  EXPECT_GT(lost, 0u);

  const Fd reader = OpenFile(path, Access::kReadOnly).value();
  const std::vector<std::string> lines = SplitLines(Drain(reader.get()));
  EXPECT_EQ(lines.size() + lost, size_t{kLines});
  EXPECT_THAT(lines, Each(EndsWith("...")));

  EMBER_LOG(kInfo, "room again");
  EXPECT_THAT(SplitLines(Drain(reader.get())), ElementsAre(EndsWith("room again")));
}

// Its own process: it gives stderr away and ends.
[[noreturn]] void LogToAFullStderr() {
  int ends[2];
  EMBER_CHECK(::pipe(ends) == 0);
  EMBER_CHECK(::fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
  const std::vector<char> filler(size_t{1} << 16, 'x');
  while (::write(ends[1], filler.data(), filler.size()) > 0) {
  }
  EMBER_CHECK(::fcntl(ends[1], F_SETFL, 0) == 0);  // blocking, as stderr mostly is
  EMBER_CHECK(::dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
  ::alarm(30);  // a write that blocks ends in SIGALRM
  EMBER_LOG(kInfo, "lost");
  ::_exit(lost_log_lines() == 1 ? 0 : 1);
}

TEST(LogDeathTest, FullStderrDoesNotBlock) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(LogToAFullStderr(), testing::ExitedWithCode(0), "");
}

TEST_F(LogTest, LinesOfManyThreadsDoNotMix) {
  constexpr int kThreads = 4;
  constexpr int kLines = 200;
  std::vector<Thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.push_back(Thread::Start("writer", [thread] {
                        for (int line = 0; line < kLines; ++line) {
                          EMBER_LOG(kInfo, "begin ",
                                    std::string(50, static_cast<char>('a' + thread)), " end");
                        }
                      }).value());
  }
  threads.clear();
  const std::vector<std::string> lines = Lines();
  EXPECT_EQ(lines.size(), size_t{kThreads * kLines});
  EXPECT_THAT(lines, Each(MatchesRegex(".* begin (a+|b+|c+|d+) end")));
}

TEST_F(LogTest, CallSiteOverItsLimitIsHeldBackAndCounted) {
  const uint64_t limited_before = rate_limited_log_lines();
  constexpr int kAttempts = 1000;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    EMBER_LOG_LIMITED(kWarning, "block: unknown request type ", attempt);
  }
  // How many pass depends on when a period begins (SiteLimitTest); none disappears uncounted.
  const uint64_t limited = rate_limited_log_lines() - limited_before;
  EXPECT_EQ(Lines().size() + limited, size_t{kAttempts});
  EXPECT_GT(limited, 0u);
}

TEST(SiteLimitTest, EachPeriodAdmitsItsBurst) {
  using log_internal::SiteLimit;
  SiteLimit limit;
  for (const uint64_t period_start :
       {uint64_t{0}, SiteLimit::kPeriodMs, 7 * SiteLimit::kPeriodMs}) {
    for (uint64_t record = 0; record < SiteLimit::kBurst; ++record) {
      EXPECT_TRUE(limit.AdmitAt(period_start + record));
    }
    EXPECT_FALSE(limit.AdmitAt(period_start + SiteLimit::kBurst));
    EXPECT_FALSE(limit.AdmitAt(period_start + SiteLimit::kPeriodMs - 1));
  }
}

TEST(ParseLogLevelTest, EveryNameIsAcceptedInAnyCase) {
  EXPECT_EQ(ParseLogLevel("Off").value(), LogLevel::kOff);
  EXPECT_EQ(ParseLogLevel("ERROR").value(), LogLevel::kError);
  EXPECT_EQ(ParseLogLevel("warning").value(), LogLevel::kWarning);
  EXPECT_EQ(ParseLogLevel("Warn").value(), LogLevel::kWarning);
  EXPECT_EQ(ParseLogLevel("iNfO").value(), LogLevel::kInfo);
  EXPECT_EQ(ParseLogLevel("debug").value(), LogLevel::kDebug);
  EXPECT_EQ(ParseLogLevel("Trace").value(), LogLevel::kTrace);
}

TEST(ParseLogLevelTest, OtherNamesAreErrorsThatListTheLevels) {
  for (const std::string_view text : {"", "inf", "info ", "5"}) {
    EXPECT_THAT(ParseLogLevel(text).error().message(),
                EndsWith("is none of Off, Error, Warning, Info, Debug and Trace"));
  }
}

}  // namespace
}  // namespace ember
