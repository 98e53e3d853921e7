#include "vmm/metrics/prometheus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "tests/vmm/metrics/metrics_fixture.h"

namespace ember::vmm {
namespace {

using testing::HasSubstr;
using testing::Not;

class PrometheusTest : public testing::Test {
 protected:
  std::string Text() {
    PrometheusText text;
    VisitMetrics({.control = control_, .mmds = mmds_, .machine = sample_.metrics()}, text);
    return std::move(text).Take();
  }

  ControlMetrics control_;
  mmds::MmdsMetrics mmds_;
  SampleMachine sample_;
};

TEST_F(PrometheusTest, SamplesAreTotalsWithTheIdAsALabel) {
  sample_.rootfs.read_bytes.Add(4096);
  sample_.data.read_bytes.Add(512);
  for (int time = 0; time < 2; ++time) {
    EXPECT_THAT(Text(), HasSubstr("# TYPE ember_block_read_bytes counter\n"
                                  "ember_block_read_bytes{id=\"rootfs\"} 4096\n"
                                  "ember_block_read_bytes{id=\"data\"} 512\n"));
  }
}

TEST_F(PrometheusTest, WhatThereIsOnceHasNoLabel) {
  control_.latencies.pause_vm.Set(5);
  control_.put_requests.drive_count.Add(2);
  EXPECT_THAT(Text(), HasSubstr("# TYPE ember_latencies_us_pause_vm gauge\n"
                                "ember_latencies_us_pause_vm 5\n"));
  EXPECT_THAT(Text(), HasSubstr("# TYPE ember_put_api_requests_drive_count counter\n"
                                "ember_put_api_requests_drive_count 2\n"));
}

TEST_F(PrometheusTest, LatencyIsASumThatGrowsAndItsExtremes) {
  sample_.vcpus[1].exit_io_in_agg.Add(std::chrono::microseconds(3));
  const std::string text = Text();
  EXPECT_THAT(text, HasSubstr("# TYPE ember_vcpu_exit_io_in_agg_sum_us counter\n"
                              "ember_vcpu_exit_io_in_agg_sum_us{id=\"0\"} 0\n"
                              "ember_vcpu_exit_io_in_agg_sum_us{id=\"1\"} 3\n"
                              "# TYPE ember_vcpu_exit_io_in_agg_min_us gauge\n"));
}

TEST_F(PrometheusTest, WhatTheMachineDoesNotHaveIsNotThere) {
  EXPECT_THAT(Text(), Not(HasSubstr("ember_balloon")));
}

// The exposition format 0.0.4: lines end with \n; a TYPE line once and before the samples of its
// name, which are all together.
TEST_F(PrometheusTest, TextIsOfTheFormat) {
  const std::regex type("# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge)");
  const std::regex sample("([a-zA-Z_:][a-zA-Z0-9_:]*)(\\{id=\"[A-Za-z0-9_]+\"\\})? [0-9]+");
  const std::string text = Text();
  ASSERT_EQ(text.back(), '\n');
  std::istringstream lines(text);
  std::set<std::string> names;
  std::set<std::string> samples;
  std::string name;
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, type)) {
      name = match[1];
      EXPECT_TRUE(names.insert(name).second) << line;
    } else {
      ASSERT_TRUE(std::regex_match(line, match, sample)) << line;
      EXPECT_EQ(match[1], name);
      EXPECT_TRUE(samples.insert(match[1].str() + match[2].str()).second) << line;
    }
  }
  EXPECT_GT(samples.size(), 200u);
}

}  // namespace
}  // namespace ember::vmm
