#include "vmm/metrics/metrics_reporter.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/thread.h"
#include "tests/base/temporary_directory.h"
#include "tests/vmm/metrics/metrics_fixture.h"

namespace ember::vmm {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

class MetricsReporterTest : public testing::Test {
 protected:
  std::vector<std::string> Lines() const {
    std::vector<std::string> lines;
    const std::string text = TemporaryDirectory::Read(path_);
    for (size_t at = 0; at < text.size();) {
      const size_t end = text.find('\n', at) + 1;
      EXPECT_NE(end, 0u) << "a line without end";
      lines.push_back(text.substr(at, end - at));
      at = end;
    }
    return lines;
  }
  uint64_t LastNumber(const std::string& path) const { return NumbersOf(Lines().back())[path]; }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.Path("metrics");
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  ControlMetrics control_;
  mmds::MmdsMetrics mmds_;
  SampleMachine sample_;
  MetricsReporter reporter_{*loop_, control_, mmds_, "vm-1"};
};

TEST_F(MetricsReporterTest, WithoutAFileNothingIsFlushed) {
  reporter_.Start(sample_.metrics());
  EXPECT_TRUE(reporter_.Flush());
  reporter_.FlushInSignalHandler();
  reporter_.End();
  EXPECT_EQ(control_.logger.missed_metrics_count.value(), 0u);
}

TEST_F(MetricsReporterTest, FirstLineComesWithTheStart) {
  ASSERT_TRUE(reporter_.Configure({.metrics_path = path_}));
  EXPECT_THAT(Lines(), SizeIs(0));
  reporter_.Start(sample_.metrics());
  ASSERT_THAT(Lines(), SizeIs(1));
  EXPECT_THAT(Lines()[0], Not(HasSubstr("\"id\"")));
  EXPECT_THAT(Lines()[0], Not(HasSubstr("properties")));
}

TEST_F(MetricsReporterTest, LinesFollowEachPeriod) {
  MetricsReporter often(*loop_, control_, mmds_, "vm-1", std::chrono::milliseconds(1));
  ASSERT_TRUE(often.Configure({.metrics_path = path_}));
  often.Start(sample_.metrics());
  std::optional<EventLoop::Watch> look;
  const std::function<void()> until_four = [&] {
    if (Lines().size() >= 4) return loop_->Stop();
    look.emplace(*loop_->CallAfter(std::chrono::milliseconds(1), until_four));
  };
  until_four();
  loop_->Run();
  look.reset();
  often.End();
  EXPECT_GE(Lines().size(), 5u);
}

TEST_F(MetricsReporterTest, FlushSaysWhatCameSince) {
  ASSERT_TRUE(reporter_.Configure({.metrics_path = path_}));
  reporter_.Start(sample_.metrics());
  sample_.eth0.rx_bytes_count.Add(60);
  ASSERT_TRUE(reporter_.Flush());
  ASSERT_THAT(Lines(), SizeIs(2));
  EXPECT_EQ(LastNumber("net_eth0.rx_bytes_count"), 60u);
}

TEST_F(MetricsReporterTest, SecondConfigurationIsRefused) {
  ASSERT_TRUE(reporter_.Configure({.metrics_path = path_}));
  EXPECT_THAT(reporter_.Configure({.metrics_path = path_}).error().message(),
              HasSubstr("Reinitialization of metrics not allowed"));
}

TEST_F(MetricsReporterTest, FailedConfigurationMayBeTriedAgain) {
  EXPECT_THAT(reporter_.Configure({.metrics_path = directory_.Path("no/such")}).error().message(),
              HasSubstr("metrics_path: "));
  EXPECT_THAT(reporter_.Configure({}).error().message(), HasSubstr("metrics_path is empty"));
  EXPECT_TRUE(reporter_.Configure({.metrics_path = path_}));
}

TEST_F(MetricsReporterTest, LinesCarryWhatTheClientAskedFor) {
  ASSERT_TRUE(reporter_.Configure(
      {.metrics_path = path_, .emit_id = true, .properties = {{"b", "2"}, {"a", "line\n\"1\""}}}));
  ASSERT_TRUE(reporter_.Flush());
  EXPECT_THAT(Lines()[0],
              HasSubstr(R"(,"id":"vm-1","properties":{"a":"line\n\"1\"","b":"2"},"api_server":{)"));
}

TEST_F(MetricsReporterTest, TimeIsUtc) {
  ASSERT_TRUE(reporter_.Configure({.metrics_path = path_}));
  const auto before = static_cast<uint64_t>(::time(nullptr)) * 1000;
  ASSERT_TRUE(reporter_.Flush());
  EXPECT_GE(LastNumber("utc_timestamp_ms"), before);
  EXPECT_LE(LastNumber("utc_timestamp_ms"), before + 60'000);
}

TEST_F(MetricsReporterTest, LastLineComesAtTheEnd) {
  ASSERT_TRUE(reporter_.Configure({.metrics_path = path_}));
  reporter_.Start(sample_.metrics());
  sample_.rootfs.flush_count.Add(3);
  reporter_.End();
  EXPECT_EQ(LastNumber("block.flush_count"), 3u);
  ASSERT_TRUE(reporter_.Flush());
  reporter_.FlushInSignalHandler();
  EXPECT_THAT(Lines(), SizeIs(2));
}

TEST_F(MetricsReporterTest, MachineThatTakesThePlaceOfAnotherCountsFrom0) {
  ASSERT_TRUE(reporter_.Configure({.metrics_path = path_}));
  auto old = std::make_unique<SampleMachine>();
  reporter_.Start(old->metrics());
  old->rootfs.flush_count.Add(3);
  reporter_.EndMachine();
  EXPECT_EQ(LastNumber("block_rootfs.flush_count"), 3u);
  old.reset();
  reporter_.FlushInSignalHandler();  // between the two
  sample_.rootfs.flush_count.Add(2);
  reporter_.Start(sample_.metrics());
  EXPECT_EQ(LastNumber("block_rootfs.flush_count"), 2u);
  EXPECT_THAT(Lines(), SizeIs(4));
}

TEST_F(MetricsReporterTest, HandlerOfASignalWritesTheLastLine) {
  ASSERT_TRUE(reporter_.Configure({.metrics_path = path_}));
  reporter_.Start(sample_.metrics());
  fatal_signal_count(SIGSEGV).Add();
  sample_.rootfs.flush_count.Add(3);
  reporter_.FlushInSignalHandler();
  ASSERT_THAT(Lines(), SizeIs(2));
  EXPECT_EQ(LastNumber("signals.sigsegv"), 1u);
  EXPECT_EQ(LastNumber("block.flush_count"), 3u);
}

TEST_F(MetricsReporterTest, LinesThatNobodyReadsAreCountedAndMadeUpFor) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const Fd reader(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(reporter_.Configure({.metrics_path = path_}));
  reporter_.Start(sample_.metrics());
  while (reporter_.Flush()) sample_.rootfs.read_count.Add();
  EXPECT_THAT(reporter_.Flush().error().message(), HasSubstr("it is full"));

  // All lines together say all that was counted, and that two were missed.
  sample_.rootfs.read_count.Add();
  std::string text;
  std::vector<char> buffer(size_t{1} << 20);
  const auto drain = [&] {
    for (ssize_t got = 0; (got = ::read(reader.get(), buffer.data(), buffer.size())) > 0;) {
      text.append(buffer.data(), static_cast<size_t>(got));
    }
  };
  drain();
  ASSERT_TRUE(reporter_.Flush());
  drain();
  uint64_t reads = 0;
  uint64_t missed = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at) + 1;
    auto numbers = NumbersOf(std::string_view(text).substr(at, end - at));
    reads += numbers["block_rootfs.read_count"];
    missed += numbers["logger.missed_metrics_count"];
    at = end;
  }
  EXPECT_EQ(reads, sample_.rootfs.read_count.value());
  EXPECT_EQ(missed, 2u);
  EXPECT_EQ(control_.logger.metrics_fails.value(), 0u);
}

TEST_F(MetricsReporterTest, WhatTheHostRefusesIsAFailure) {
  ASSERT_TRUE(reporter_.Configure({.metrics_path = "/dev/full"}));
  EXPECT_THAT(reporter_.Flush().error().message(), HasSubstr("Failed to write metrics: write: No"));
  EXPECT_EQ(control_.logger.missed_metrics_count.value(), 1u);
  EXPECT_EQ(control_.logger.metrics_fails.value(), 1u);
}

// For ThreadSanitizer, and that nothing is lost or told twice.
TEST_F(MetricsReporterTest, ThreadsCountWhileLinesAreWritten) {
  ASSERT_TRUE(reporter_.Configure({.metrics_path = path_}));
  reporter_.Start(sample_.metrics());
  constexpr uint64_t kCounts = 20'000;
  std::atomic<int> counting{2};
  std::vector<Thread> threads;
  for (kvm::VcpuMetrics& vcpu : sample_.vcpus) {
    threads.push_back(*Thread::Start("vcpu", [&] {
      for (uint64_t i = 0; i < kCounts; ++i) {
        vcpu.exit_mmio_write.Add();
        vcpu.exit_mmio_write_agg.Add(std::chrono::microseconds(1));
        control_.get_requests.instance_info_count.Add();
      }
      counting.fetch_sub(1, std::memory_order_relaxed);
    }));
  }
  for (int lines = 0; lines < 50 && counting.load(std::memory_order_relaxed) > 0; ++lines) {
    ASSERT_TRUE(reporter_.Flush());
    EXPECT_THAT(reporter_.Prometheus(), HasSubstr("ember_vcpu_exit_mmio_write{"));
  }
  threads.clear();
  reporter_.End();
  uint64_t writes = 0;
  uint64_t requests = 0;
  for (const std::string& line : Lines()) {
    auto numbers = NumbersOf(line);
    writes += numbers["vcpu.exit_mmio_write"];
    requests += numbers["get_api_requests.instance_info_count"];
  }
  EXPECT_EQ(writes, 2 * kCounts);
  EXPECT_EQ(requests, 2 * kCounts);
}

}  // namespace
}  // namespace ember::vmm
