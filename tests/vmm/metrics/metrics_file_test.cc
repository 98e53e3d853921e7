#include "vmm/metrics/metrics_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/base/temporary_directory.h"

namespace ember::vmm {
namespace {

using testing::HasSubstr;
using Outcome = MetricsFile::Outcome;

class MetricsFifoTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
    reader_ = Fd(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    ASSERT_TRUE(reader_.valid());
  }

  // Everything in the FIFO, without waiting.
  std::string Drain() {
    std::string text;
    std::vector<char> buffer(size_t{1} << 16);
    for (ssize_t count = 0; (count = ::read(reader_.get(), buffer.data(), buffer.size())) > 0;) {
      text.append(buffer.data(), static_cast<size_t>(count));
    }
    return text;
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.Path("fifo");
  Fd reader_;
};

TEST(MetricsFileTest, LinesAreAppendedToWhatTheFileHolds) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("metrics", "before\n");
  MetricsFile file = *MetricsFile::Open(path);
  EXPECT_EQ(*file.Write("first\n"), Outcome::kWritten);
  EXPECT_EQ(*file.Write("second\n"), Outcome::kWritten);
  EXPECT_EQ(TemporaryDirectory::Read(path), "before\nfirst\nsecond\n");
}

TEST(MetricsFileTest, FileThatCannotBeOpenedIsNamed) {
  const TemporaryDirectory directory;
  const Result<MetricsFile> file = MetricsFile::Open(directory.Path("no/such"));
  EXPECT_THAT(file.error().message(), HasSubstr("no/such: No such file or directory"));
}

TEST(MetricsFileTest, HostsRefusalIsAnError) {
  MetricsFile file = *MetricsFile::Open("/dev/full");
  EXPECT_THAT(file.Write("line\n").error().message(), HasSubstr("No space left"));
}

TEST(MetricsFileTest, FifoNeedsNoReader) {
  const TemporaryDirectory directory;
  const std::string path = directory.Path("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  MetricsFile file = *MetricsFile::Open(path);
  EXPECT_EQ(*file.Write("line\n"), Outcome::kWritten);
}

TEST_F(MetricsFifoTest, FullOneRefusesWholeLines) {
  MetricsFile file = *MetricsFile::Open(path_);
  const std::string line = std::string(10'000, 'x') + "\n";
  size_t written = 0;
  while (*file.Write(line) == Outcome::kWritten) ++written;
  EXPECT_GE(written, 4u);
  std::string expected;
  for (size_t i = 0; i < written; ++i) expected += line;
  EXPECT_TRUE(Drain() == expected);
  EXPECT_EQ(*file.Write(line), Outcome::kWritten);
  EXPECT_TRUE(Drain() == line);
}

TEST_F(MetricsFifoTest, LineLongerThanTheFifoComesInPiecesAndInOrder) {
  MetricsFile file = *MetricsFile::Open(path_);
  const std::string longest = std::string(200'000, 'x') + "\n";
  EXPECT_EQ(*file.Write(longest), Outcome::kWritten);
  std::string received;
  Outcome outcome = Outcome::kFull;
  for (int attempt = 0; attempt < 10 && outcome == Outcome::kFull; ++attempt) {
    received += Drain();
    outcome = *file.Write("next\n");
  }
  received += Drain();
  EXPECT_EQ(outcome, Outcome::kWritten);
  EXPECT_TRUE(received == longest + "next\n");
}

}  // namespace
}  // namespace ember::vmm
