#include "vmm/metrics/metrics_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <string>

#include "tests/vmm/metrics/metrics_fixture.h"

namespace ember::vmm {
namespace {

using std::chrono::microseconds;
using testing::StartsWith;

class MetricsLineTest : public testing::Test {
 protected:
  std::map<std::string, uint64_t> Next() {
    VisitMetrics({.control = control_, .mmds = mmds_, .machine = machine_}, line_.Begin(7, ""));
    return NumbersOf(line_.Finish());
  }
  std::map<std::string, uint64_t> Committed() {
    auto numbers = Next();
    line_.Commit();
    return numbers;
  }

  ControlMetrics control_;
  mmds::MmdsMetrics mmds_;
  SampleMachine sample_;
  MachineMetrics machine_ = sample_.metrics();
  MetricsLine line_;
};

TEST_F(MetricsLineTest, BeginsWithTheTimeAndWhatTheClientAdds) {
  VisitMetrics({.control = control_, .mmds = mmds_, .machine = machine_},
               line_.Begin(1234, R"("id":"vm1","properties":{"a":"b"},)"));
  EXPECT_THAT(std::string(line_.Finish()),
              StartsWith(R"({"utc_timestamp_ms":1234,"id":"vm1","properties":{"a":"b"},)"));
}

TEST_F(MetricsLineTest, CountersAreWhatWasAddedSinceTheLastLine) {
  sample_.rootfs.read_bytes.Add(4096);
  EXPECT_EQ(Committed()["block_rootfs.read_bytes"], 4096u);
  EXPECT_EQ(Committed()["block_rootfs.read_bytes"], 0u);
  sample_.rootfs.read_bytes.Add(512);
  EXPECT_EQ(Committed()["block_rootfs.read_bytes"], 512u);
}

TEST_F(MetricsLineTest, WhatALostLineWouldHaveSaidIsInTheNext) {
  sample_.rootfs.read_bytes.Add(1);
  EXPECT_EQ(Next()["block_rootfs.read_bytes"], 1u);
  sample_.rootfs.read_bytes.Add(2);
  EXPECT_EQ(Committed()["block_rootfs.read_bytes"], 3u);
}

TEST_F(MetricsLineTest, GaugesAreWhatTheyStandAt) {
  control_.latencies.pause_vm.Set(17);
  EXPECT_EQ(Committed()["latencies_us.pause_vm"], 17u);
  EXPECT_EQ(Committed()["latencies_us.pause_vm"], 17u);
}

TEST_F(MetricsLineTest, SectionOfAllDrivesIsTheSumOfThem) {
  sample_.rootfs.write_count.Add(2);
  sample_.data.write_count.Add(3);
  auto numbers = Committed();
  EXPECT_EQ(numbers["block.write_count"], 5u);
  EXPECT_EQ(numbers["block_rootfs.write_count"], 2u);
  EXPECT_EQ(numbers["block_data.write_count"], 3u);
  EXPECT_EQ(Committed()["block.write_count"], 0u);
}

TEST_F(MetricsLineTest, LatenciesOfADriveAreItsExtremesAndWhatWasAdded) {
  sample_.rootfs.read_agg.Add(microseconds(30));
  sample_.rootfs.read_agg.Add(microseconds(10));
  auto numbers = Committed();
  EXPECT_EQ(numbers["block_rootfs.read_agg.min_us"], 10u);
  EXPECT_EQ(numbers["block_rootfs.read_agg.max_us"], 30u);
  EXPECT_EQ(numbers["block_rootfs.read_agg.sum_us"], 40u);
  numbers = Committed();
  EXPECT_EQ(numbers["block_rootfs.read_agg.min_us"], 10u);
  EXPECT_EQ(numbers["block_rootfs.read_agg.sum_us"], 0u);
}

// As consumers of the contract check it.
TEST_F(MetricsLineTest, SumOfDrivesHasNoExtremes) {
  sample_.rootfs.read_agg.Add(microseconds(30));
  auto numbers = Committed();
  EXPECT_EQ(numbers["block.read_agg.sum_us"], 30u);
  EXPECT_EQ(numbers["block.read_agg.min_us"], 0u);
  EXPECT_EQ(numbers["block.read_agg.max_us"], 0u);
}

TEST_F(MetricsLineTest, VcpusAreOneSectionWithTheExtremesOfAll) {
  sample_.vcpus[0].exit_io_in.Add();
  sample_.vcpus[0].exit_io_in_agg.Add(microseconds(30));
  sample_.vcpus[1].exit_io_in.Add(2);
  sample_.vcpus[1].exit_io_in_agg.Add(microseconds(10));
  auto numbers = Committed();
  EXPECT_EQ(numbers["vcpu.exit_io_in"], 3u);
  EXPECT_EQ(numbers["vcpu.exit_io_in_agg.min_us"], 10u);
  EXPECT_EQ(numbers["vcpu.exit_io_in_agg.max_us"], 30u);
  EXPECT_EQ(numbers["vcpu.exit_io_in_agg.sum_us"], 40u);
  EXPECT_EQ(numbers.count("vcpu_0.exit_io_in"), 0u);
}

TEST_F(MetricsLineTest, OursAreUnderAKeyOfTheirOwn) {
  sample_.console.output_bytes.Add(9);
  auto numbers = Committed();
  EXPECT_EQ(numbers["ember.console.output_bytes"], 9u);
  EXPECT_EQ(numbers.count("console.output_bytes"), 0u);
}

TEST_F(MetricsLineTest, DevicesThatComeAndGoLeaveTheOthersAsTheyWere) {
  sample_.rootfs.read_count.Add(1);
  sample_.data.read_count.Add(2);
  sample_.eth0.rx_count.Add(3);
  Committed();
  machine_.drives.erase(machine_.drives.begin());
  virtio::BlockMetrics added;
  added.read_count.Add(4);
  machine_.drives.push_back({"added", &added});
  auto numbers = Committed();
  EXPECT_EQ(numbers.count("block_rootfs.read_count"), 0u);
  EXPECT_EQ(numbers["block_data.read_count"], 0u);
  EXPECT_EQ(numbers["block_added.read_count"], 4u);
  EXPECT_EQ(numbers["net_eth0.rx_count"], 0u);
}

// As where a machine is reset in place: the next has the same devices, which begin at 0.
TEST_F(MetricsLineTest, GroupThatAWalkHasLeftOutCountsFrom0WhenItIsBack) {
  sample_.rootfs.read_count.Add(5);
  control_.get_requests.mmds_count.Add(6);
  Committed();
  machine_ = {};
  Next();
  SampleMachine next;
  next.rootfs.read_count.Add(3);
  machine_ = next.metrics();
  auto numbers = Committed();
  EXPECT_EQ(numbers["block_rootfs.read_count"], 3u);
  EXPECT_EQ(numbers["get_api_requests.mmds_count"], 0u);
}

TEST_F(MetricsLineTest, MachineThatIsNotThereHasItsSectionsAtZero) {
  machine_ = {};
  auto numbers = Committed();
  EXPECT_EQ(numbers.count("block.read_bytes"), 1u);
  EXPECT_EQ(numbers["vsock.rx_bytes_count"], 0u);
  EXPECT_EQ(numbers.count("block_rootfs.read_bytes"), 0u);
}

}  // namespace
}  // namespace ember::vmm
